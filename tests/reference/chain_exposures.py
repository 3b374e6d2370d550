#!/usr/bin/env python3
"""Dealer exposures of one options-desk chain, computed apart from pitlake to hold it against.

    chain_exposures.py CHAIN.json[.gz] [--greeks as-sent|model] [--dealers long-calls-short-puts|short-both|long-both]

Prints `expiration,strike,gamma,vanna,charm`: whole US dollars (half to even), empty where unknown. Nothing but Python's
standard library. Written from the definitions of formula `pitlake-bsm` version 1, in another arrangement: gamma comes
from the strike's side of the forward, vanna from vega, charm from the time derivative of d1, the put from parity.
"""

import argparse
import csv
import datetime as dt
import gzip
import json
import math
import sys
from collections import defaultdict
from statistics import NormalDist
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
NORMAL = NormalDist()
RATE = 0.04
YIELD = {"DIA": 0.016, "IWM": 0.011, "NDX": 0.007, "QQQ": 0.005, "RUT": 0.013, "SPX": 0.013, "SPY": 0.012, "XSP": 0.013}
SETTLES_ON_THE_OPENING = {"DJX", "NDX", "RUT", "SPX", "VIX", "VIXW"}
SIGNS = {"long-calls-short-puts": (1, -1), "short-both": (-1, -1), "long-both": (1, 1)}
CONTRACT = 100
PLACEHOLDER = 0.01


def closes_early(day):
    """New York's half days: Friday after Thanksgiving, 24 December, 3 July before a holiday on Tuesday to Friday."""
    thanksgiving = 22 + (3 - dt.date(day.year, 11, 22).weekday()) % 7
    if (day.month, day.day) == (11, thanksgiving + 1):
        return True
    if (day.month, day.day) == (12, 24):
        return day.weekday() < 4
    return (day.month, day.day) == (7, 3) and day.weekday() < 4


def expires(root, day):
    if root in SETTLES_ON_THE_OPENING:
        time = dt.time(9, 30)
    else:
        time = dt.time(13, 0) if closes_early(day) else dt.time(16, 0)
    return dt.datetime.combine(day, time, NEW_YORK)


def sensitivities(spot, strike, sigma, years, dividend, is_call):
    """(gamma, vanna per 1.00 of volatility, charm per year) of one share's option."""
    width = sigma * math.sqrt(years)
    forward = spot * math.exp((RATE - dividend) * years)
    d2 = math.log(forward / strike) / width - width / 2
    d1 = d2 + width
    held = math.exp(-dividend * years)
    gamma = strike * math.exp(-RATE * years) * NORMAL.pdf(d2) / (spot * spot * width)
    vega = spot * held * NORMAL.pdf(d1) * math.sqrt(years)
    vanna = vega / spot * (1 - d1 / width)
    d1_by_years = (RATE - dividend + sigma * sigma / 2) / width - d1 / (2 * years)
    charm = dividend * held * NORMAL.cdf(d1) - held * NORMAL.pdf(d1) * d1_by_years
    if not is_call:
        charm -= dividend * held
    return gamma, vanna, charm


def exposures(chain, greeks="as-sent", dealers="long-calls-short-puts"):
    at = dt.datetime.fromisoformat(chain["updated"].replace("Z", "+00:00"))
    spot = chain["underlyingPrice"]
    dividend = YIELD.get(chain["symbol"], 0.0)
    parts = defaultdict(lambda: ([], [], []))
    for quote in chain["quotes"]:
        day = dt.date.fromisoformat(quote["expiration"])
        end = expires(quote["symbol"][:-15].strip(), day)
        held = quote["openInterest"]
        if end <= at or held is None:
            continue
        sums = parts[(day, quote["strike"])]
        if held == 0:
            continue
        is_call = quote["side"] == "call"
        sigma = quote["iv"]
        gamma = vanna = charm = None
        if sigma is not None and sigma > PLACEHOLDER:
            hours = max((end - at).total_seconds() / 3600, 1.0)
            gamma, vanna, charm = sensitivities(spot, quote["strike"], sigma, hours / 24 / 365, dividend, is_call)
        if greeks == "as-sent" and quote["gamma"]:
            gamma = quote["gamma"]
        dollars = SIGNS[dealers][0 if is_call else 1] * held * CONTRACT * spot
        for values, value, scale in zip(sums, (gamma, vanna, charm), (spot / 100, 1 / 100, 1 / 365)):
            values.append(None if value is None else value * dollars * scale)
    for key in sorted(parts):
        row = [None if None in values else round(math.fsum(values)) for values in parts[key]]
        if row != [None, None, None]:
            yield key, row


def main():
    command = argparse.ArgumentParser()
    command.add_argument("chain")
    command.add_argument("--greeks", choices=["as-sent", "model"], default="as-sent")
    command.add_argument("--dealers", choices=sorted(SIGNS), default="long-calls-short-puts")
    given = command.parse_args()
    with (gzip.open if given.chain.endswith(".gz") else open)(given.chain, "rt", encoding="utf-8") as file:
        chain = json.load(file)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["expiration", "strike", "gamma", "vanna", "charm"])
    for (day, strike), row in exposures(chain, given.greeks, given.dealers):
        out.writerow([day.isoformat(), strike, *("" if value is None else value for value in row)])


if __name__ == "__main__":
    main()
