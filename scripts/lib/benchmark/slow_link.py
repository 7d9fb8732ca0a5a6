"""A TCP connection that takes its time: every byte arrives so much later, and what is under way when one end dies is lost, as with its machine.

Usage: slow_link.py TARGET-PORT MILLISECONDS     prints the port that it listens on
"""

import asyncio
import sys


async def carry(reader, writer, delay):
    loop = asyncio.get_running_loop()
    try:
        while part := await reader.read(1 << 16):
            loop.call_later(delay, writer.write, part)
    except ConnectionError:
        pass
    writer.transport.abort()


async def main(target, delay):
    async def accept(reader, writer):
        try:
            there = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            return writer.transport.abort()
        await asyncio.gather(carry(reader, there[1], delay), carry(there[0], writer, delay))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]) / 1000))
