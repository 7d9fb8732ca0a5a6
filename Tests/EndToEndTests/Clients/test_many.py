"""Twenty official clients at once through the gate, each with ten calls at once, and again when the server gets tired of its connections.

    test_many.py KEY NODE [NODE]
"""

import asyncio
import sys

from connection import connected, text
from report import guarantee, run

CLIENTS, CALLS = 20, 10
# uvicorn closes a connection that was idle for five seconds: the second round of some clients meets that moment.
PAUSE, STEP = 4.8, 0.02


@guarantee("issue 11: of 20 clients with 10 calls at once each call gets its own answer, also when the server closes unused connections at that moment")
async def many(key, nodes):
    async def client(name):
        async with connected(nodes, key) as session:
            for turn in range(2):
                words = [f"{name} {turn} {n}" for n in range(CALLS)]
                answers = await asyncio.gather(*(session.call_tool("echo", {"text": word}) for word in words))
                assert [text(answer) for answer in answers] == words, name
                if turn == 0:
                    await asyncio.sleep(PAUSE + STEP * name)

    await asyncio.gather(*(client(name) for name in range(CLIENTS)))


asyncio.run(run(sys.argv[1], sys.argv[2:], within=100))
