/* SPDX-License-Identifier: Apache-2.0 */
/* From readings to energy: every kind of interval, and a million random counters against a
 * model that knows the truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "energy/meter.h"

#define S UINT64_C(1000000000)
#define RANGE_CLIENT UINT64_C(262143328850) /* 32 bits of 61.035 uJ */
#define RANGE_SERVER UINT64_C(65532610987)  /* 32 bits of 15.258 uJ */

static const ti_meter_info client = {
    .name = "client", .range_uj = RANGE_CLIENT, .max_power_uw = UINT64_C(100000000)};

static ti_reading at(uint64_t time_ns, uint64_t energy_uj)
{
    return (ti_reading){.time = {time_ns, time_ns}, .energy_uj = energy_uj};
}

static ti_delta delta(const ti_meter_info *info, ti_reading prev, ti_reading cur)
{
    ti_delta out;
    memset(&out, 0xaa, sizeof out);
    ti_meter_delta(&out, info, &prev, &cur);
    return out;
}

static void expect(ti_delta d, uint64_t energy_uj, uint32_t flags)
{
    assert_int_equal(d.energy_uj, energy_uj);
    assert_int_equal(d.flags, flags);
}

static void plain(void **state)
{
    (void)state;
    ti_delta d = delta(&client, at(5 * S, 1000), at(6 * S, 15001000));
    expect(d, 15000000, 0);
    assert_int_equal(d.dt_ns, S);
    expect(delta(&client, at(S, 7), at(2 * S, 7)), 0, 0);
}

static void one_wrap(void **state)
{
    (void)state;
    ti_meter_info server = client;
    server.range_uj = RANGE_SERVER;
    expect(delta(&client, at(S, 262143328000), at(2 * S, 672)), 1522, TI_DELTA_WRAP);
    expect(delta(&server, at(S, 65532610000), at(2 * S, 13)), 1000, TI_DELTA_WRAP);
    /* From the very end, to the very start, and by one step. */
    expect(delta(&client, at(S, RANGE_CLIENT), at(2 * S, 0)), 0, TI_DELTA_WRAP);
    expect(delta(&client, at(S, RANGE_CLIENT - 1), at(2 * S, 0)), 1, TI_DELTA_WRAP);
}

static void two_wraps_cannot_be_counted(void **state)
{
    (void)state;
    /* 100 W fill 262143.328850 J in 2621.43328850 s. */
    uint64_t limit_ns = UINT64_C(2621433288500);
    expect(delta(&client, at(S, 5), at(S + limit_ns, 10)), 0, TI_DELTA_WRAPS);
    expect(delta(&client, at(S, 5), at(S + limit_ns - 10, 10)), 5, 0);
    expect(delta(&client, at(S, 10), at(S + limit_ns, 5)), 0, TI_DELTA_WRAPS);
    assert_int_equal(ti_meter_period_ns(&client), limit_ns / 2);
    /* A counter of 64 bits has no such limit. */
    ti_meter_info wide = client;
    wide.range_uj = 0;
    expect(delta(&wide, at(S, 5), at(S + 10 * limit_ns, 10)), 5, 0);
    assert_int_equal(ti_meter_period_ns(&wide), 0);
}

static void resets(void **state)
{
    (void)state;
    /* Nearly a whole range in one second is no wrap. */
    expect(delta(&client, at(S, 90000000000), at(2 * S, 0)), 0, TI_DELTA_RESET);
    /* The uptime went back: another boot, whatever the counter says. */
    expect(delta(&client, at(900 * S, 5000), at(3 * S, 6000)), 0, TI_DELTA_RESET);
    expect(delta(&client, at(900 * S, 5000), at(3 * S, 10)), 0, TI_DELTA_RESET);
    /* Without a range, smaller always means anew. */
    ti_meter_info wide = client;
    wide.range_uj = 0;
    expect(delta(&wide, at(S, 50), at(2 * S, 49)), 0, TI_DELTA_RESET);
}

static void jumps(void **state)
{
    (void)state;
    /* 100 W for 1 s, and 50 ms of grace. */
    expect(delta(&client, at(S, 0), at(2 * S, 105000000)), 105000000, 0);
    expect(delta(&client, at(S, 0), at(2 * S, 105000001)), 0, TI_DELTA_JUMP);
    /* The same limit across the end of the range. */
    expect(delta(&client, at(S, RANGE_CLIENT - 100000000), at(2 * S, 5000000)), 105000000,
           TI_DELTA_WRAP);
    expect(delta(&client, at(S, RANGE_CLIENT - 100000000), at(2 * S, 5000001)), 0,
           TI_DELTA_RESET);
}

static void sleeps(void **state)
{
    (void)state;
    ti_reading before = at(10 * S, 5000000), after = at(11 * S, 6000000);
    after.time.boot_ns += 3600 * S;
    ti_delta d = delta(&client, before, after);
    expect(d, 1000000, TI_DELTA_SLEPT);
    assert_int_equal(d.dt_ns, S);
    /* Smaller after a sleep: anew or wrapped, nobody knows. */
    after.energy_uj = 4000000;
    expect(delta(&client, before, after), 0, TI_DELTA_SLEPT | TI_DELTA_RESET);
    before.energy_uj = RANGE_CLIENT - 10;
    after.energy_uj = 10;
    expect(delta(&client, before, after), 0, TI_DELTA_SLEPT | TI_DELTA_RESET);
    /* A difference of the clocks that scheduling explains is no sleep. */
    after = at(11 * S, RANGE_CLIENT - 5);
    after.time.boot_ns += 100000000;
    expect(delta(&client, before, after), 5, 0);
    /* Memory that is refreshed draws power in a sleep; a shelf of it does not. */
    after = at(11 * S, 5000000 + 1100000000);
    after.time.boot_ns += 10 * S;
    before.energy_uj = 5000000;
    expect(delta(&client, before, after), 1100000000, TI_DELTA_SLEPT);
    after.energy_uj += 6000000;
    expect(delta(&client, before, after), 0, TI_DELTA_SLEPT | TI_DELTA_JUMP);
}

static void clocks(void **state)
{
    (void)state;
    expect(delta(&client, at(S, 5), at(S, 10)), 0, TI_DELTA_CLOCK);
    ti_reading before = at(5 * S, 5), after = at(4 * S, 10);
    after.time.boot_ns = 6 * S;
    expect(delta(&client, before, after), 0, TI_DELTA_CLOCK);
}

static void failures(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 5; bit++) {
        ti_reading bad = {.time = {2 * S, 2 * S}, .flags = 1u << bit};
        expect(delta(&client, at(S, 5), bad), 0, TI_DELTA_FAILED);
        expect(delta(&client, bad, at(3 * S, 5)), 0, TI_DELTA_FIRST);
        expect(delta(&client, bad, bad), 0, TI_DELTA_FAILED);
    }
}

static void power(void **state)
{
    (void)state;
    ti_meter_info info = {.name = "power", .is_power = true, .max_power_uw = 50000000};
    ti_reading a = {.time = {S, S}, .power_uw = 10000000}, b = a;
    b.time = (ti_time){3 * S, 3 * S};
    b.power_uw = 20000000;
    expect(delta(&info, a, b), 30000000, 0); /* 15 W for 2 s */
    b.power_uw = 50000001;
    expect(delta(&info, a, b), 0, TI_DELTA_JUMP);
    expect(delta(&info, b, a), 0, TI_DELTA_RESET); /* its boot clock is behind */
    b.power_uw = 10000000;
    b.time = (ti_time){61 * S, 61 * S};
    expect(delta(&info, a, b), 600000000, 0);
    b.time = (ti_time){61 * S + 1, 61 * S + 1};
    expect(delta(&info, a, b), 0, TI_DELTA_SPARSE);
    /* Asleep it draws something else: only the time awake counts. */
    b.time = (ti_time){3 * S, 3000 * S};
    expect(delta(&info, a, b), 20000000, TI_DELTA_SLEPT);
    assert_int_equal(ti_meter_period_ns(&info), 0);
}

/* The largest numbers there are: no overflow (the undefined behaviour sanitizer looks on), and
 * what is believed is never more than the maximum power allows. */
static void extremes(void **state)
{
    (void)state;
    static const uint64_t values[] = {
        0, 1, S, RANGE_CLIENT, UINT64_MAX / 2, UINT64_MAX - 1, UINT64_MAX};
    enum { N = sizeof values / sizeof values[0] };
    size_t lost = 0, kept = 0;
    for (size_t i = 0; i < (size_t)N * N * N * N * N; i++) {
        size_t k = i;
        uint64_t v[5];
        for (size_t j = 0; j < 5; j++, k /= N) {
            v[j] = values[k % N];
        }
        ti_meter_info info = {.name = "", .range_uj = v[0], .max_power_uw = v[1] ? v[1] : 1};
        for (int is_power = 0; is_power < 2; is_power++) {
            info.is_power = is_power != 0;
            ti_reading prev = {.time = {0, 0}, .energy_uj = v[2], .power_uw = v[2]};
            ti_reading cur = {.time = {v[4], v[4]}, .energy_uj = v[3], .power_uw = v[3]};
            ti_delta d = delta(&info, prev, cur);
            bool is_lost = (d.flags & TI_DELTA_LOST) != 0;
            assert_true(!is_lost || d.energy_uj == 0);
            __extension__ unsigned __int128 most =
                (unsigned __int128)info.max_power_uw * (d.dt_ns / S + 2);
            assert_true(d.energy_uj <= most);
            lost += is_lost;
            kept += !is_lost;
        }
        (void)ti_meter_period_ns(&info);
    }
    assert_true(lost > 1000 && kept > 100);
}

/* --- following -------------------------------------------------------------------------- */

static ti_delta step(ti_track *track, const ti_meter_info *info, ti_reading reading)
{
    ti_delta out;
    memset(&out, 0xaa, sizeof out);
    ti_track_step(track, info, &reading, &out);
    return out;
}

static ti_reading bad_at(uint64_t time_ns, uint32_t flags)
{
    return (ti_reading){.time = {time_ns, time_ns}, .flags = flags};
}

/* One failed read costs nothing: neither a wrap that was none nor the energy of its time. */
static void failure_is_bridged(void **state)
{
    (void)state;
    ti_track track = {0};
    expect(step(&track, &client, at(S, 1000)), 0, TI_DELTA_FIRST);
    expect(step(&track, &client, at(2 * S, 2000)), 1000, 0);
    expect(step(&track, &client, bad_at(3 * S, TI_READ_IO)), 0, TI_DELTA_FAILED);
    ti_delta d = step(&track, &client, at(4 * S, 5000));
    expect(d, 3000, TI_DELTA_GAP);
    assert_int_equal(d.dt_ns, 2 * S);
    expect(step(&track, &client, at(5 * S, 6000)), 1000, 0);
    assert_int_equal(track.energy_uj, 5000);
    assert_int_equal(track.n_failed, 1);
    assert_int_equal(track.n_lost, 0);
}

static void failure_over_a_wrap(void **state)
{
    (void)state;
    ti_track track = {0};
    (void)step(&track, &client, at(S, RANGE_CLIENT - 500));
    (void)step(&track, &client, bad_at(2 * S, TI_READ_GARBAGE));
    expect(step(&track, &client, at(3 * S, 700)), 1200, TI_DELTA_WRAP | TI_DELTA_GAP);
    assert_int_equal(track.n_wraps, 1);
}

/* The first reads may fail as well. */
static void failure_first(void **state)
{
    (void)state;
    ti_track track = {0};
    expect(step(&track, &client, bad_at(S, TI_READ_GONE)), 0, TI_DELTA_FAILED);
    expect(step(&track, &client, at(2 * S, 5000)), 0, TI_DELTA_FIRST);
    expect(step(&track, &client, at(3 * S, 5001)), 1, 0);
}

/* A transient zero is no reset, and what follows it is no jump. */
static void glitch_is_forgotten(void **state)
{
    (void)state;
    for (int high = 0; high < 2; high++) {
        ti_track track = {0};
        (void)step(&track, &client, at(S, 500000));
        expect(step(&track, &client, at(2 * S, high ? UINT64_C(200000000000) : 0)), 0,
               high ? TI_DELTA_JUMP : TI_DELTA_RESET);
        expect(step(&track, &client, at(3 * S, 800000)), 300000, TI_DELTA_GAP);
        expect(step(&track, &client, at(4 * S, 900000)), 100000, 0);
        assert_int_equal(track.energy_uj, 400000);
        assert_int_equal(track.n_lost, 1);
    }
}

/* A real one is: counting goes on from where the counter now is. */
static void reset_is_accepted(void **state)
{
    (void)state;
    ti_track track = {0};
    (void)step(&track, &client, at(S, 90000000000));
    expect(step(&track, &client, at(2 * S, 1000)), 0, TI_DELTA_RESET);
    expect(step(&track, &client, bad_at(3 * S, TI_READ_IO)), 0, TI_DELTA_FAILED);
    expect(step(&track, &client, at(4 * S, 4000)), 3000, TI_DELTA_GAP);
    expect(step(&track, &client, at(5 * S, 5000)), 1000, 0);
    assert_int_equal(track.energy_uj, 4000);
    assert_true(track.flags & TI_DELTA_RESET);
}

static void too_long_then_on(void **state)
{
    (void)state;
    ti_track track = {0};
    (void)step(&track, &client, at(S, 1000));
    expect(step(&track, &client, at(3000 * S, 5000)), 0, TI_DELTA_WRAPS);
    expect(step(&track, &client, at(3001 * S, 7000)), 2000, 0);
    assert_int_equal(track.energy_uj, 2000);
}

/* Two reads at one moment: the energy between them is not lost. */
static void same_moment(void **state)
{
    (void)state;
    ti_track track = {0};
    (void)step(&track, &client, at(S, 1000));
    expect(step(&track, &client, at(S, 1500)), 0, TI_DELTA_CLOCK);
    expect(step(&track, &client, at(2 * S, 2000)), 1000, 0);
}

/* While a battery is charged its power is not the machine's, so nothing is drawn through it. */
static void charging_is_not_bridged(void **state)
{
    (void)state;
    ti_meter_info info = {.name = "battery", .is_power = true, .max_power_uw = 480000000};
    ti_track track = {0};
    ti_reading r = {.time = {S, S}, .power_uw = 10000000};
    (void)step(&track, &info, r);
    expect(step(&track, &info, bad_at(2 * S, TI_READ_OFF)), 0, TI_DELTA_FAILED);
    r.time = (ti_time){3 * S, 3 * S};
    expect(step(&track, &info, r), 0, TI_DELTA_FIRST);
    r.time = (ti_time){4 * S, 4 * S};
    expect(step(&track, &info, r), 10000000, 0);
    (void)step(&track, &info, bad_at(5 * S, TI_READ_IO));
    r.time = (ti_time){6 * S, 6 * S};
    expect(step(&track, &info, r), 20000000, TI_DELTA_GAP);
}

/* A counter that wraps, read at random times at random powers, with failed reads: the sum is
 * the truth, to the microjoule, as long as no interval is lost; and never above it. */
static void random_counters(void **state)
{
    (void)state;
    ti_rng rng;
    ti_rng_seed(&rng, 2024);
    uint64_t wraps = 0;
    for (int run = 0; run < 200; run++) {
        ti_meter_info info = {.name = "",
                              .range_uj = 1000000000 + ti_rng_next(&rng) % (64 * S),
                              .max_power_uw = 1000000 + ti_rng_next(&rng) % 400000000};
        uint64_t period_ns = ti_meter_period_ns(&info), now_ns = S;
        uint64_t truth_uj = ti_rng_next(&rng) % info.range_uj, first_uj = truth_uj;
        ti_track track = {0};
        (void)step(&track, &info, at(now_ns, truth_uj));
        for (int i = 0; i < 500; i++) {
            uint64_t dt_ns = 1 + ti_rng_next(&rng) % period_ns;
            uint64_t power_uw = ti_rng_next(&rng) % (info.max_power_uw + 1);
            now_ns += dt_ns;
            truth_uj += (uint64_t)((double)power_uw / 1e9 * (double)dt_ns);
            bool fails = i < 499 && ti_rng_next(&rng) % 10 == 0;
            bool failed = track.failed_since;
            ti_reading r = at(now_ns, truth_uj % info.range_uj);
            if (fails && !failed) { /* one failure keeps the gap under two periods */
                r = bad_at(now_ns, TI_READ_IO);
            }
            ti_delta d = step(&track, &info, r);
            assert_false(d.flags & TI_DELTA_LOST & ~TI_DELTA_FAILED);
        }
        assert_int_equal(track.energy_uj, truth_uj - first_uj);
        wraps += track.n_wraps;
    }
    assert_true(wraps > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),
        cmocka_unit_test(one_wrap),
        cmocka_unit_test(two_wraps_cannot_be_counted),
        cmocka_unit_test(resets),
        cmocka_unit_test(jumps),
        cmocka_unit_test(sleeps),
        cmocka_unit_test(clocks),
        cmocka_unit_test(failures),
        cmocka_unit_test(power),
        cmocka_unit_test(extremes),
        cmocka_unit_test(failure_is_bridged),
        cmocka_unit_test(failure_over_a_wrap),
        cmocka_unit_test(failure_first),
        cmocka_unit_test(glitch_is_forgotten),
        cmocka_unit_test(reset_is_accepted),
        cmocka_unit_test(too_long_then_on),
        cmocka_unit_test(same_moment),
        cmocka_unit_test(charging_is_not_bridged),
        cmocka_unit_test(random_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
