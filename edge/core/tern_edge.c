/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The detector: what is usual at this hour, how far is this reading from it, is that far enough
 * for an alarm.
 *
 * Bounds.  A reading is below 2^24 in magnitude, in 1/16 below 2^28; so are means.  A residual
 * is below 2^29, deviations too, and a sum of two residuals below 2^30.  A quotient is cut to
 * 8191, an error (z - predicted) is below 8320, so scores are below 2^14 and thresholds below
 * 2^30.
 *
 * The budget of false alarms.  Let t be the threshold, B the budget, k the rate.  A reading
 * over t is an alarm and adds B * floor(t / 2^k) to t, any other takes floor(t / 2^k) off.
 * Where alarms have probability p the threshold stands still at p = 1 / (B + 1).  And for
 * whatever comes, even if somebody chooses readings to cause alarms: t begins at 2^23 and stays
 * between 2^20 and 2^30, where no score is over it; each alarm multiplies it by no less than 1
 * + (B / 2^k) (1 - 2^k / t), each other reading by no less than 1 - 2^-k.  So n readings have
 * at most (n / 2^k * (1 + 2^-k) + ln(2^30 / 2^23)) / ln(1 + (B / 2^k) (1 - 2^k / 2^20)) alarms:
 * with 4 B <= 2^k < 8 B and B <= 4096 at most 1.15 n / B + 43.
 */
#include "tern_edge.h"

#define Q4 16         /* values, means and deviations are kept in sixteenths */
#define Z_MAX 8191    /* the largest quotient */
#define ERROR_CUT 256 /* an error counts at most 16 deviations in the running level */
#define CLIP 4        /* a residual teaches at most this many deviations */
#define FIRST_THRESHOLD ((uint32_t)128u << 16) /* 8 deviations */
#define MIN_THRESHOLD ((uint32_t)16u << 16)    /* 1 deviation */
#define MAX_THRESHOLD ((uint32_t)16384u << 16)
#define MAX_INTERVAL_S 86400u
#define AGREES 2u                   /* parts of 65,536 s: so the next of daily readings does */
#define MAX_DEVIATION_FLOOR 1048576 /* 2^20 */

/* floor(v / 2^s) without a shift of a negative number; s < 31. */
static int32_t floor_shift(int32_t v, uint32_t s)
{
    const uint32_t u = (v >= 0) ? (uint32_t)v : ~(uint32_t)v;
    const int32_t q = (int32_t)(u >> s);
    return (v >= 0) ? q : (-q - 1);
}

static int32_t magnitude(int32_t v)
{
    return (v < 0) ? -v : v;
}

static int32_t clamp(int32_t v, int32_t limit)
{
    const int32_t low = (v < -limit) ? -limit : v;
    return (low > limit) ? limit : low;
}

/* A running mean: the first value is it, then new ones have weight 1/2, 1/4, 1/4, 1/8 ... and
 * at last 1/2^adapt.  What is cut off is first filled up by a part of a unit that goes through
 * all parts evenly with `turn`: so small differences count too, in their proportion, and a
 * value that equals the mean never moves it.  |mean|, |value| < 2^29. */
static int32_t move(int32_t mean, int32_t value, uint32_t visits, uint32_t adapt, uint32_t turn)
{
    uint32_t s = 0;
    while ((s < adapt) && ((visits >> s) != 0u)) {
        s++;
    }
    /* Multiples of the golden ratio of 2^32 are spread evenly; the upper bits are taken. */
    const uint32_t part = (s == 0u) ? 0u : ((turn * 2654435769u) >> (32u - s));
    return mean + floor_shift((value - mean) + (int32_t)part, s);
}

/* residual / deviation in sixteenths, rounded towards zero, cut to +-Z_MAX.
 * |residual| < 2^29, 0 < deviation < 2^29. */
static int32_t quotient(int32_t residual, int32_t deviation)
{
    uint32_t r = (uint32_t)magnitude(residual);
    uint32_t d = (uint32_t)deviation;
    while (r >= 0x08000000u) { /* 2^27: so that 16 r fits; at most two times */
        r >>= 1;
        d = (d + 1u) >> 1;
    }
    const uint32_t q = (r * (uint32_t)Q4) / d;
    const int32_t z = (q > (uint32_t)Z_MAX) ? Z_MAX : (int32_t)q;
    return (residual < 0) ? -z : z;
}

int32_t tern_edge_norm_step(struct tern_edge_norm *norm, int32_t value, uint32_t adapt,
                            int32_t min_deviation)
{
    if (value == TERN_EDGE_MISSING) {
        return 0;
    }
    const int32_t low = (value < -TERN_EDGE_MAX_VALUE) ? -TERN_EDGE_MAX_VALUE : value;
    const int32_t x = ((low > TERN_EDGE_MAX_VALUE) ? TERN_EDGE_MAX_VALUE : low) * Q4;
    const int32_t mean = (norm->visits == 0u) ? x : norm->mean;
    const int32_t scale = (norm->deviation > min_deviation) ? norm->deviation : min_deviation;
    const int32_t residual = x - mean;
    const uint32_t n = norm->visits;
    norm->mean = move(mean, x, n, adapt, n);
    norm->deviation = move(norm->deviation, magnitude(residual), n, adapt, n);
    norm->visits = (n == UINT32_MAX) ? 0x80000000u : (n + 1u);
    return quotient(residual, scale);
}

uint32_t tern_edge_hour_of_week(uint32_t local_time_s)
{
    /* 1970-01-01 was a Thursday. */
    return ((local_time_s / 3600u) + 72u) % TERN_EDGE_HOURS;
}

static void wipe(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = 0;
    }
}

static int config_is_good(const struct tern_edge_config *c)
{
    return (c->max_value >= 1) && (c->max_value <= TERN_EDGE_MAX_VALUE) &&
           (c->min_deviation >= 1) && (c->min_deviation <= MAX_DEVIATION_FLOOR) &&
           (c->interval_s >= 1u) && (c->interval_s <= MAX_INTERVAL_S) && (c->budget >= 2u) &&
           (c->budget <= 65535u) && (c->frozen_limit != 1u) && (c->adapt >= 2u) &&
           (c->adapt <= 8u) && (c->two_way <= 1u);
}

int tern_edge_meter_init(struct tern_edge_meter *meter, const struct tern_edge_config *config,
                         const struct tern_edge_net *net, int8_t *history, uint32_t *scratch)
{
    if ((meter == NULL) || (config == NULL) || !config_is_good(config)) {
        return 0;
    }
    if (net != NULL) {
        struct tern_edge_size size;
        if (!tern_edge_net_check(net, &size) || (net->layers[0].n_in != TERN_EDGE_FEATURES) ||
            (net->layers[net->n_layers - 1u].n_out > TERN_EDGE_FEATURES) ||
            ((size.history != 0u) && (history == NULL)) || (scratch == NULL)) {
            return 0;
        }
        tern_edge_net_reset(net, history);
    }
    wipe((uint8_t *)meter, sizeof *meter);
    meter->config = config;
    meter->net = net;
    meter->history = history;
    meter->scratch = scratch;
    meter->threshold = FIRST_THRESHOLD;
    while (((uint32_t)1u << meter->rate) < (4u * config->budget)) {
        meter->rate++;
    }
    return 1;
}

/* Why a value cannot be used, or 0. */
static uint32_t unusable(int32_t value, int32_t max_value, uint8_t two_way)
{
    uint32_t status = 0;
    if (value == TERN_EDGE_MISSING) {
        return TERN_EDGE_IS_MISSING;
    }
    if ((value >= max_value) || (value <= -max_value)) {
        status |= TERN_EDGE_SATURATED;
    }
    if ((value < 0) && (two_way == 0u)) {
        status |= TERN_EDGE_NEGATIVE;
    }
    return status;
}

/* Moments in parts of 65,536 s (18 hours), from 1: all that is kept of one that is in doubt. */
static uint32_t about(uint32_t time)
{
    return ((time >> 16) + 1u) & 0xffffu;
}

/* Whether a time can follow the last one: 0, or why not. */
static uint32_t disorder(uint32_t time, uint32_t last_time, uint32_t doubt)
{
    const uint32_t step = (time > last_time) ? (time - last_time) : (last_time - time);
    if (step <= TERN_EDGE_LEAP_S) {
        return (time > last_time) ? 0u : TERN_EDGE_OUT_OF_ORDER;
    }
    return ((doubt != 0u) && (((about(time) - doubt) & 0xffffu) <= AGREES))
               ? 0u
               : (TERN_EDGE_OUT_OF_ORDER | TERN_EDGE_GAP);
}

/* Why a reading cannot be used, or 0. */
static uint32_t refusal(const struct tern_edge_meter *m, uint32_t time, int32_t value)
{
    const struct tern_edge_config *c = m->config;
    uint32_t status = unusable(value, c->max_value, c->two_way);
    if (status == TERN_EDGE_IS_MISSING) {
        return status;
    }
    if (m->seen != 0u) {
        status |= disorder(time, m->last_time, m->doubt);
    }
    if ((m->seen != 0u) && (c->frozen_limit != 0u) && (m->run >= c->frozen_limit) &&
        (value == m->last_value)) {
        status |= TERN_EDGE_FROZEN;
    }
    return status;
}

/* What is usual at this hour; in the first week, what was so a day before. */
static int32_t baseline(const struct tern_edge_meter *m, uint32_t hour, int32_t x)
{
    const uint32_t day_before = (hour < 24u) ? (hour + (TERN_EDGE_HOURS - 24u)) : (hour - 24u);
    int32_t usual = x;
    if (m->visits[hour] != 0u) {
        usual = m->mean[hour];
    } else if (m->visits[day_before] != 0u) {
        usual = m->mean[day_before];
    } else {
        /* nothing is known yet: x is as usual as anything */
    }
    return usual;
}

static uint8_t next_visit(uint8_t visits)
{
    return (visits < 255u) ? (uint8_t)(visits + 1u) : visits;
}

/* Moves the baselines.  A residual far outside teaches no more than one at the edge, so that an
 * anomaly does not become usual at once; while an hour is new it teaches fully. */
static void learn(struct tern_edge_meter *m, uint32_t hour, int32_t x, int32_t residual,
                  int32_t scale)
{
    const uint32_t adapt = m->config->adapt;
    const uint32_t of_day = hour % 24u;
    const int32_t limit = (scale < 67108864) ? (scale * CLIP) : 268435456;
    const int32_t cut = (m->day_visits[of_day] < 4u) ? residual : clamp(residual, limit);
    const int32_t seen = (m->visits[hour] == 0u) ? x : (m->mean[hour] + cut);
    m->mean[hour] = move(m->mean[hour], seen, m->visits[hour], adapt, m->seen);
    m->deviation[of_day] =
        move(m->deviation[of_day], magnitude(cut), m->day_visits[of_day], adapt, m->seen);
    m->visits[hour] = next_visit(m->visits[hour]);
    m->day_visits[of_day] = next_visit(m->day_visits[of_day]);
}

/* 127 * sin(2 pi i / 24) */
static const int8_t sine[24] = {0, 33,  64,  90,  110,  123,  127,  123,  110,  90,  64,  33,
                                0, -33, -64, -90, -110, -123, -127, -123, -110, -90, -64, -33};

/* What the network sees after a reading, to say what the next will be. */
static void predict(struct tern_edge_meter *m, uint32_t time, int32_t z, int32_t error)
{
    const uint32_t next = tern_edge_hour_of_week(time + m->config->interval_s);
    const uint32_t of_day = next % 24u;
    const int32_t now = clamp(z, 127);
    int8_t out[TERN_EDGE_FEATURES];
    const int8_t features[TERN_EDGE_FEATURES] = {
        (int8_t)now,
        (int8_t)clamp(now - m->last_z, 127),
        m->day[of_day],
        (int8_t)clamp(floor_shift(m->level, 5), 127),
        (int8_t)clamp(error, 127),
        sine[of_day],
        sine[(of_day + 6u) % 24u],
        (int8_t)((next >= 120u) ? 64 : -64), /* Saturday and Sunday */
    };
    tern_edge_net_run(m->net, features, out, m->history, m->scratch);
    m->predicted = out[0];
}

/* Compares a score with the threshold and moves that.  While warming up, and while the last
 * event holds, there are no alarms and the threshold rests: a long event is one. */
static uint32_t judge(struct tern_edge_meter *m, int32_t score)
{
    const uint32_t step = m->threshold >> m->rate;
    if (m->seen < m->config->warm_up) {
        return TERN_EDGE_WARMING_UP;
    }
    if (m->held != 0u) {
        m->held--;
        return 0;
    }
    if (((uint32_t)score << 16) > m->threshold) {
        /* budget * step <= threshold / 4 */
        m->threshold += m->config->budget * step;
        m->threshold = (m->threshold > MAX_THRESHOLD) ? MAX_THRESHOLD : m->threshold;
        m->held = m->config->hold;
        return TERN_EDGE_ALARM;
    }
    m->threshold -= step;
    m->threshold = (m->threshold < MIN_THRESHOLD) ? MIN_THRESHOLD : m->threshold;
    return 0;
}

void tern_edge_meter_step(struct tern_edge_meter *m, uint32_t local_time_s, int32_t value,
                          struct tern_edge_result *result)
{
    result->score = 0;
    result->threshold = 0;
    result->z = 0;
    result->predicted = 0;
    result->status = refusal(m, local_time_s, value);
    if (result->status != 0u) {
        if (result->status == (TERN_EDGE_OUT_OF_ORDER | TERN_EDGE_GAP)) {
            m->doubt = (uint16_t)about(local_time_s);
        }
        return;
    }
    m->doubt = 0;
    const struct tern_edge_config *c = m->config;
    const uint32_t hour = tern_edge_hour_of_week(local_time_s);
    if ((m->seen != 0u) &&
        ((local_time_s - m->last_time) > (c->interval_s + (c->interval_s / 2u)))) {
        /* What was said about the next reading was not about this one. */
        result->status = TERN_EDGE_GAP;
        m->predicted = 0;
        m->level = 0;
    }
    const int32_t x = value * Q4;
    const int32_t residual = x - baseline(m, hour, x);
    const int32_t known = m->deviation[hour % 24u];
    const int32_t scale = (known > c->min_deviation) ? known : c->min_deviation;
    const int32_t z = quotient(residual, scale);
    const int32_t error = z - m->predicted;
    m->level = (int16_t)(m->level + floor_shift((clamp(error, ERROR_CUT) * Q4) - m->level, 4));
    /* The mean of sixteen errors varies four to six times less than one of them. */
    const int32_t sustained = magnitude(m->level) / 4;
    result->score = (magnitude(error) > sustained) ? magnitude(error) : sustained;
    result->threshold = (int32_t)(m->threshold >> 16);
    result->z = z;
    result->predicted = (int32_t)m->predicted;
    result->status |= judge(m, result->score);
    learn(m, hour, x, residual, scale);
    if (m->net != NULL) {
        predict(m, local_time_s, z, error);
    }
    m->run = ((m->seen != 0u) && (value == m->last_value))
                 ? (uint16_t)(m->run + ((m->run < 0xffffu) ? 1u : 0u))
                 : (uint16_t)1u;
    m->day[hour % 24u] = (int8_t)clamp(z, 127);
    m->last_z = (int8_t)clamp(z, 127);
    m->last_value = value;
    m->last_time = local_time_s;
    m->seen += (m->seen < UINT32_MAX) ? 1u : 0u;
}

/*
 * The watch.  Three statistics compare the reading, or the running mean of the last 16, with
 * what was before: the hour of the day so far, the last 32, the last 128.  Of each, with r its
 * residual and d the mean magnitude of that,
 *     L = log2(1 + 2 |r| / (d + floor)),
 * which is small for usual readings of any scale and grows slowly with those of heavy tails.
 * What one in 256 readings is over (q) is followed, and by how much the last were over (t): so
 * (L - q) / t says how far into the tail of this very channel a reading is.  The score is log2
 * of a sum of these, less a little for every doubling of the readings seen and of what was told
 * before: the longer a channel is known and the more it surprises, the rarer must be what is
 * told.  A surprise casts a shadow that only a larger one is seen in: it begins SHADOW over it
 * and falls a bit in 49 readings.
 *
 * The numbers were chosen on labelled series (docs/edge.md), as one setting for all of them.
 *
 * Bounds.  Residuals are below 2^29 (above), so are their means, and range / 2 below 2^28;
 * 2 |r| + d + floor is below 2^31, and L, q and t are at most 31 bits, 2^21.  A quotient is cut
 * to 2^16, weighted ones stay below that, sums of three below 2^18, and ten of them below 2^22.
 */
#define FAST 4u       /* means of 16 readings, */
#define MEDIUM 7u     /* of 128, */
#define SLOW 5u       /* of 32; */
#define OF_HOUR 3u    /* of 8 in this hour of the day */
#define OF_SIZE 10u   /* of 1,024 residuals */
#define OF_RANGE 14u  /* of 16,384 distances */
#define RARE 8u       /* "usual" is what one in 2^8 readings is over */
#define FOLLOW 7u     /* how quickly that is followed: by 1/128 of t */
#define OF_OVER 1u    /* t is the mean of about two */
#define LEAST_OVER 11 /* and not below 11/256 bits */
#define LEARNING 20u  /* readings before the first score */
#define OF_SUM 9      /* sixteenths of the sum, the rest of the largest part */
#define AGE 16        /* a 16th of a bit less for a doubling of the readings, */
#define AGE_TOLD 8    /* an 8th for one of what was told that was */
#define TOLD 1955     /* so much or more, 1/256 bits */
#define SHADOW 37662  /* 1/65536 bits */
#define SHADOW_FALLS 1330
#define QUOTIENT_MAX 65535
#define FULL 0x80000000u /* visits of a mean that is past its beginning */

/* Sixteenths: how much each of the three counts. */
static const int32_t watch_weights[TERN_EDGE_WATCH_STATISTICS] = {10, 11, 10};

/* 256 log2(v), at most 3 off; never falls where v rises.  v >= 1. */
static int32_t log2_256(uint32_t v)
{
    uint32_t whole = 0;
    for (uint32_t s = 16u; s != 0u; s >>= 1) {
        if ((v >> (whole + s)) != 0u) {
            whole += s;
        }
    }
    const uint32_t f = ((whole >= 16u) ? (v >> (whole - 16u)) : (v << (16u - whole))) & 0xffffu;
    /* log2(1 + f) is about f + 0.344 f (1 - f). */
    const uint32_t bend = ((((f >> 1) * ((65536u - f) >> 1)) >> 14) * 22u) >> 6;
    return (int32_t)((whole * 256u) + ((f + bend) >> 8));
}

int tern_edge_watch_init(struct tern_edge_watch *watch,
                         const struct tern_edge_watch_config *config)
{
    if ((watch == NULL) || (config == NULL) || (config->max_value < 1) ||
        (config->max_value > TERN_EDGE_MAX_VALUE) || (config->threshold < 1) ||
        (config->threshold > 65535) || (config->two_way > 1u)) {
        return 0;
    }
    wipe((uint8_t *)watch, sizeof *watch);
    watch->config = config;
    return 1;
}

/* How surprising a residual is, in 1/256 of t; learns from it. */
static int32_t surprise_of(struct tern_edge_watch_statistic *st, uint32_t seen,
                           int32_t residual, int32_t least_size)
{
    const int32_t size = magnitude(residual);
    const uint32_t usual_size = (uint32_t)(st->size + least_size);
    const int32_t bits =
        (log2_256((2u * (uint32_t)size) + usual_size) - log2_256(usual_size)) * 256;
    const int32_t over = st->over + (LEAST_OVER * 256);
    const int32_t excess = bits - st->usual;
    uint32_t follow = 0; /* at first quicker */
    while ((follow < FOLLOW) && (((seen + 8u) >> (follow + 2u)) != 0u)) {
        follow++;
    }
    const int32_t up = floor_shift(over, follow);
    st->size = move(st->size, size, seen, OF_SIZE, seen);
    if (excess <= 0) {
        const int32_t down = move(0, up, FULL, RARE, seen);
        st->usual = (st->usual > down) ? (st->usual - down) : 0;
        return 0;
    }
    const int32_t quotient_256 = excess / (over / 256);
    st->usual += up;
    st->over = move(st->over, excess, (seen >> RARE) + 2u, OF_OVER, seen);
    if (seen <= LEARNING) {
        return 0;
    }
    return (quotient_256 > QUOTIENT_MAX) ? QUOTIENT_MAX : quotient_256;
}

/* The surprise of all statistics together, 1/256 bits; moves what they know. */
static int32_t surprise_of_all(struct tern_edge_watch *w, uint32_t of_day, int32_t x)
{
    const uint32_t n = w->seen;
    if (n == 0u) {
        w->slow = x;
        w->medium = x;
    }
    w->fast = move(w->fast, x, n, FAST, n);
    const int32_t residuals[TERN_EDGE_WATCH_STATISTICS] = {
        w->fast - w->slow,
        (w->visits[of_day] > 2u) ? (x - w->hour[of_day]) : 0,
        w->fast - w->medium,
    };
    const int32_t least_size = (w->range / 2) + 1;
    int32_t sum = 0;
    int32_t largest = 0;
    for (uint32_t k = 0; k < TERN_EDGE_WATCH_STATISTICS; k++) {
        const int32_t s =
            (surprise_of(&w->statistics[k], n, residuals[k], least_size) * watch_weights[k]) /
            16;
        sum += s;
        largest = (s > largest) ? s : largest;
    }
    w->slow = move(w->slow, x, n, SLOW, n);
    w->medium = move(w->medium, x, n, MEDIUM, n);
    w->hour[of_day] = move(w->hour[of_day], x, w->visits[of_day], OF_HOUR, n);
    w->visits[of_day] = next_visit(w->visits[of_day]);
    w->range = move(w->range, magnitude(x - w->slow), n, OF_RANGE, n);
    const int32_t rare =
        log2_256((uint32_t)(((sum * OF_SUM) + (largest * (16 - OF_SUM))) / 16) + 1u);
    const int32_t known =
        (log2_256(n + 1u) / AGE) + (log2_256((uint32_t)w->told + 1u) / AGE_TOLD);
    return (rare > known) ? (rare - known) : 0;
}

void tern_edge_watch_step(struct tern_edge_watch *w, uint32_t local_time_s, int32_t value,
                          struct tern_edge_watch_result *result)
{
    const struct tern_edge_watch_config *c = w->config;
    result->score = 0;
    result->surprise = 0;
    result->status = unusable(value, c->max_value, c->two_way);
    if ((w->seen != 0u) && (result->status != TERN_EDGE_IS_MISSING)) {
        result->status |= disorder(local_time_s, w->last_time, w->doubt);
    }
    if (result->status != 0u) {
        if (result->status == (TERN_EDGE_OUT_OF_ORDER | TERN_EDGE_GAP)) {
            w->doubt = (uint16_t)about(local_time_s);
        }
        return;
    }
    w->doubt = 0;
    const int32_t s = surprise_of_all(w, (local_time_s / 3600u) % 24u, value * Q4);
    result->surprise = s;
    if ((s * 256) > (w->shadow + SHADOW)) {
        result->score = s;
        w->told = (uint16_t)(w->told + (((s >= TOLD) && (w->told < 0xffffu)) ? 1u : 0u));
    }
    if ((s * 256) > w->shadow) {
        w->shadow = s * 256;
    } else {
        w->shadow = (w->shadow > SHADOW_FALLS) ? (w->shadow - SHADOW_FALLS) : 0;
    }
    if (w->seen < c->warm_up) {
        result->status |= TERN_EDGE_WARMING_UP;
    } else if (result->score >= c->threshold) {
        result->status |= TERN_EDGE_ALARM;
    } else {
        /* nothing that need be told */
    }
    w->last_time = local_time_s;
    w->seen += (w->seen < (UINT32_MAX - 8u)) ? 1u : 0u;
}

#define USUAL_LEVELS 12u /* of 4,096 distances of means */
#define LEAST_USUAL 256  /* a 256th of a bit */
#define LEVEL_CLIP 6     /* a distance teaches at most so many usual ones */

int32_t tern_edge_level_step(struct tern_edge_level *level, int32_t value, uint32_t near,
                             uint32_t far, int32_t least)
{
    if (value == TERN_EDGE_MISSING) {
        return 0;
    }
    const uint32_t n = level->seen;
    const int32_t low = (value < 0) ? 0 : value;
    const int32_t x = ((low > TERN_EDGE_MAX_VALUE) ? TERN_EDGE_MAX_VALUE : low) * Q4;
    level->near = move(level->near, x, n, near, n);
    const int32_t top = (level->near > least) ? level->near : least;
    const int32_t bottom = (level->far > least) ? level->far : least;
    /* Below 2^12 either way, so 2^20 in 1/65536, and quotients are below 2^24. */
    const int32_t bits = (log2_256((uint32_t)top) - log2_256((uint32_t)bottom)) * 256;
    int32_t z = 0;
    if ((n >> far) != 0u) {
        z = quotient(bits, (level->usual > LEAST_USUAL) ? level->usual : LEAST_USUAL);
        const int32_t limit = LEVEL_CLIP * level->usual;
        const int32_t size = magnitude(bits);
        const int32_t cut = (((n >> far) > 1u) && (size > limit)) ? limit : size;
        level->usual = move(level->usual, cut, n - ((uint32_t)1u << far), USUAL_LEVELS, n);
    }
    level->far = move(level->far, x, n, far, n);
    level->seen = (n == UINT32_MAX) ? 0x80000000u : (n + 1u);
    return z;
}
