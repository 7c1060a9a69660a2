#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes lwa_jobs.csv: the jobs of scenario II of P. Wiesner et al., "Let's Wait Awhile"
(Middleware 2021): 3387 jobs that arrive on working days of 2020 between 09:00 and 17:00, of 4 to
90 hours.  The paper's program draws them with numpy's generator, seed 0; these are the same draws
(days, then minutes of each day in order, then durations), so that its figures can be compared.

Columns: half-hours since 2020-01-01T00:00 UTC, duration in half-hours."""
import datetime

import numpy

N, STEP = 3387, 30
rng = numpy.random.default_rng(0)
first = datetime.date(2020, 1, 1)
days = [d for d in range(366) if (first + datetime.timedelta(d)).weekday() < 5]
per_day = rng.multinomial(N, [1 / len(days)] * len(days))
counts = dict(zip(days, per_day))
starts = []
for day in range(366):
    minutes = numpy.sort(rng.choice(range(9 * 60, 17 * 60, STEP), size=counts.get(day, 0)))
    starts += [(day * 1440 + int(m)) // STEP for m in minutes]
lengths = rng.choice(range(4 * 60, 90 * 60, STEP), size=N) // STEP
for start, length in zip(starts, lengths):
    print(f"{start},{length}")
