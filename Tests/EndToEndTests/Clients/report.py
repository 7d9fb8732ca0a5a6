"""Prints what was guaranteed and whether it held, one JSON object a line."""

import asyncio
import json
import logging
import traceback

GUARANTEES = []
logging.disable()  # Standard output and standard error are one report.


def guarantee(sentence):
    """Marks a check; it is run in the order of the file, with everything that the program passes to `run`."""

    def add(check):
        GUARANTEES.append((sentence, check))
        return check

    return add


def reasons(error):
    """Each failure by itself, with the place in these programs where it was noticed."""
    if isinstance(error, BaseExceptionGroup):
        return [reason for part in error.exceptions for reason in reasons(part)]
    places = [frame for frame in traceback.extract_tb(error.__traceback__) if "EndToEndTests" in frame.filename]
    place = f"line {places[-1].lineno}: {places[-1].line}: " if places else ""
    causes, cause = "", error
    while cause := cause.__cause__ or cause.__context__:
        causes += f" < {type(cause).__name__}: {cause}"
    return [f"{place}{type(error).__name__}: {error}{causes}"[:2000]]


async def run(*arguments, within=30):
    for sentence, check in GUARANTEES:
        failure = None
        try:
            async with asyncio.timeout(within):
                await check(*arguments)
        except Exception as error:
            failure = "\n".join(reasons(error))
        print(json.dumps({"guarantee": sentence, "failure": failure}), flush=True)
    print(json.dumps({"done": len(GUARANTEES)}), flush=True)
