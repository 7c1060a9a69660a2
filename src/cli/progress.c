/* SPDX-License-Identifier: Apache-2.0 */
/* The bar, and the clock that it and the timings need. */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/out.h"

enum { BAR_WIDTH = 24, DEFAULT_COLUMNS = 80, MIN_COLUMNS_FOR_BAR = 60 };
static const uint64_t second_ns = 1000000000;
static const uint64_t quiet_start_ns = 333000000; /* what is over by then needs no bar */
static const uint64_t redraw_ns = 100000000;

uint64_t ti_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * second_ns + (uint64_t)t.tv_nsec;
}

const char *ti_human_bytes(char *out, size_t cap, uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.95 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1000;
        unit++;
    }
    snprintf(out, cap, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return out;
}

void ti_progress_begin(ti_progress *progress, const char *label, const char *unit)
{
    *progress = (ti_progress){.label = label, .unit = unit, .begun_ns = ti_now_ns()};
}

static int columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    return DEFAULT_COLUMNS;
}

static void format_amount(char *out, size_t cap, const char *unit, double amount)
{
    if (strcmp(unit, "B") == 0) {
        ti_human_bytes(out, cap, amount > 0 ? (uint64_t)amount : 0);
    } else if (amount >= 1e6) {
        snprintf(out, cap, "%.1f million %s", amount / 1e6, unit);
    } else {
        snprintf(out, cap, "%.0f %s", amount, unit);
    }
}

/* "Loading model  [########........]  33%  32.5 MB of 98.4 MB  412.0 MB/s  0:01 left" */
static void draw(const ti_progress *p, uint64_t done, uint64_t total, uint64_t now)
{
    char line[256], have[32], all[32], speed[32];
    double seconds = (double)(now - p->begun_ns) / 1e9;
    double rate = seconds > 0 ? (double)(done - p->first) / seconds : 0;
    double part = total ? (double)done / (double)total : 0;
    format_amount(have, sizeof have, p->unit, (double)done);
    format_amount(speed, sizeof speed, p->unit, rate);
    size_t n = 0;
    int wide = columns();
    n += (size_t)snprintf(line + n, sizeof line - n, "%.40s  ", p->label);
    if (total && wide >= MIN_COLUMNS_FOR_BAR) {
        int full = (int)(part * BAR_WIDTH);
        line[n++] = '[';
        for (int i = 0; i < BAR_WIDTH; i++) {
            line[n++] = i < full ? '#' : '.';
        }
        n += (size_t)snprintf(line + n, sizeof line - n, "]  ");
    }
    if (total) {
        format_amount(all, sizeof all, p->unit, (double)total);
        n += (size_t)snprintf(line + n, sizeof line - n, "%3.0f%%  %s of %s  %s/s", part * 100,
                              have, all, speed);
        if (rate > 0 && seconds > 1 && done < total) {
            unsigned long left = (unsigned long)((double)(total - done) / rate);
            n += (size_t)snprintf(line + n, sizeof line - n, "  %lu:%02lu left", left / 60,
                                  left % 60);
        }
    } else {
        n += (size_t)snprintf(line + n, sizeof line - n, "%s  %s/s", have, speed);
    }
    if ((int)n >= wide) { /* a line that wraps cannot be taken back */
        line[wide - 1] = '\0';
    }
    fprintf(stderr, "\r\033[K%s", line);
    fflush(stderr);
}

bool ti_progress_step(void *user, uint64_t done, uint64_t total)
{
    ti_progress *p = user;
    if (!p->started) {
        p->started = true;
        p->first = done;
    }
    uint64_t now = ti_now_ns();
    bool early = now - p->begun_ns < quiet_start_ns;
    bool soon = p->drawn && now - p->drawn_ns < redraw_ns;
    if (!early && !soon && !ti_out_quiet() && ti_stderr_is_tty()) {
        draw(p, done < p->first ? p->first : done, total, now);
        p->drawn = true;
        p->drawn_ns = now;
    }
    return ti_interrupted() == 0;
}

void ti_progress_end(ti_progress *progress)
{
    if (progress->drawn) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        progress->drawn = false;
    }
}
