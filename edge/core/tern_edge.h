/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tern_edge - ternary networks and an anomaly detector of meters for microcontrollers.
 *
 * Copy this header, tern_edge_nn.c and tern_edge.c into a firmware; nothing else is needed: no
 * C library, no heap, no floating point, no variable outside the structures of the caller, no
 * setup of the build.  Every result is the same bits on every machine: everything is integer
 * arithmetic, and every sum fits its type by the bounds stated here.
 *
 * Two layers of interface:
 *   - layers and networks (tern_edge_nn.c): fully connected, temporal convolution, depthwise
 *     temporal convolution, each with requantisation to int8 and an optional ReLU;
 *   - the detector (tern_edge.c): a reading goes in, a score, an alarm and status bits come
 * out.
 *
 * Memory is the caller's.  The macros below give sizes as constant expressions, so that all of
 * it can be static.  Nothing here is safe to be called from an interrupt for a structure that
 * the main program is just using; otherwise every function is reentrant.
 */
#ifndef TERN_EDGE_H
#define TERN_EDGE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- layers and networks */

/* Bounds that tern_edge_net_check() enforces; what follows from them is written where it is
 * used.  Inputs of one sum (n_in, times taps for a temporal convolution); rows; taps; the left
 * shift before the multiplication; layers. */
#define TERN_EDGE_MAX_IN 4090u
#define TERN_EDGE_MAX_OUT 4096u
#define TERN_EDGE_MAX_TAPS 15u
#define TERN_EDGE_MAX_SHIFT 8u
#define TERN_EDGE_MAX_LAYERS 32u

/* Ternary weights are stored in bytes of five (1.6 bits each).  A fully connected layer reads
 * the bytes as places in a table of sums: inputs are taken ten at a time, rows eight at a
 * time, so n_in is filled up to a multiple of 10 and n_out to one of 8 (with zeros).
 *   bytes of the codes: [n_in/10 pairs][n_out/8 blocks][2 halves of a pair][8 rows]
 * A depthwise layer has ceil(taps/5) bytes for each channel: [n_out][ceil(taps/5)].
 * edge/host/edge_pack.h makes both. */
#define TERN_EDGE_ROWS(n_out) ((((size_t)(n_out) + 7u) / 8u) * 8u)
#define TERN_EDGE_FC_CODES(n_in, n_out) \
    (((((size_t)(n_in)) + 9u) / 10u) * 2u * TERN_EDGE_ROWS(n_out))
#define TERN_EDGE_DW_CODES(n_out, taps) ((size_t)(n_out) * (((size_t)(taps) + 4u) / 5u))

/* Sums are kept in 16 bits over at most this many inputs: 250 * 128 = 32000 < 32768. */
#define TERN_EDGE_CHUNK 250u

/* Scratch of a fully connected layer, in 32-bit words: two tables of 256 sums of 16 bits, a sum
 * of 16 bits for each row, and one of 32 bits where the inputs are more than a chunk. */
#define TERN_EDGE_FC_WORDS(n_in, n_out)    \
    (256u + (TERN_EDGE_ROWS(n_out) / 2u) + \
     (((n_in) > TERN_EDGE_CHUNK) ? TERN_EDGE_ROWS(n_out) : (size_t)0u))

enum tern_edge_kind {
    TERN_EDGE_FC = 0,        /* n_in values -> n_out values */
    TERN_EDGE_CONV = 1,      /* the same over `taps` columns of the past, `dilation` apart */
    TERN_EDGE_DEPTHWISE = 2, /* each channel by itself over its past; n_out == n_in */
    TERN_EDGE_N_KINDS = 3
};

/* A layer, usually in flash.  With s = sum of weight * input, exact:
 *     v   = (s + bias) << shift
 *     out = clamp(round(v * mult / 2^32)), round = floor(x + 1/2);
 * clamp is to -128..127, or with relu to 0..127.
 * mult is 1 .. 2^31 - 1: so the scale v -> out is below 1/2, and `shift` reaches larger ones.
 */
struct tern_edge_layer {
    const uint8_t *codes; /* TERN_EDGE_FC_CODES or TERN_EDGE_DW_CODES bytes */
    const int16_t *bias;  /* [n_out] */
    int32_t mult;
    uint16_t n_in;
    uint16_t n_out;
    uint8_t kind; /* enum tern_edge_kind */
    uint8_t shift;
    uint8_t relu;
    uint8_t taps;     /* CONV, DEPTHWISE: 1 .. 15; FC: 0 */
    uint8_t dilation; /* CONV, DEPTHWISE: 1 .. 255; FC: 0 */
};

/* Layers one after the other: the outputs of one are the inputs of the next. */
struct tern_edge_net {
    const struct tern_edge_layer *layers;
    uint32_t n_layers;
};

/* What a network needs beside its input and output. */
struct tern_edge_size {
    size_t codes;   /* bytes of packed weights in flash */
    size_t bias;    /* bytes of biases in flash */
    size_t history; /* bytes of the past that temporal layers keep between steps */
    size_t scratch; /* 32-bit words that a step uses and forgets */
    uint32_t macs;  /* multiply-accumulates that a step stands for, zero weights included */
};

/* Looks at all that the bounds rest upon: shapes, shifts, multipliers, layers that fit each
 * other, pointers, and that every code byte is one that packing makes.  Fills *size (may be
 * NULL).  Returns 1 when the network is good, else 0 with *size untouched.  Cost: about six
 * instructions for each byte of codes; once, after reset. */
int tern_edge_net_check(const struct tern_edge_net *net, struct tern_edge_size *size);

/* Forgets the past: `history` bytes of size.history become 0.  history may be NULL when the
 * size is 0. */
void tern_edge_net_reset(const struct tern_edge_net *net, int8_t *history);

/* One step of a network that tern_edge_net_check() found good.
 * in: [n_in of the first layer]; out: [n_out of the last]; they must not overlap each other nor
 * history (size.history bytes, kept by the caller between steps) nor scratch (size.scratch
 * words).  Cost: see docs/edge.md. */
void tern_edge_net_run(const struct tern_edge_net *net, const int8_t *in, int8_t *out,
                       int8_t *history, uint32_t *scratch);

/* One layer of kind TERN_EDGE_FC: in [n_in], out [n_out], scratch TERN_EDGE_FC_WORDS words.
 * The layer must be good in the sense of tern_edge_net_check(). */
void tern_edge_fc_run(const struct tern_edge_layer *layer, const int8_t *in, int8_t *out,
                      uint32_t *scratch);

/* ---------------------------------------------------------------- the detector */

#define TERN_EDGE_HOURS 168u         /* of a week; 0 is Monday 0:00 to 1:00 */
#define TERN_EDGE_FEATURES 8u        /* inputs of a network for the detector */
#define TERN_EDGE_MAX_VALUE 16777215 /* 2^24 - 1: the largest reading, in the meter's unit */
#define TERN_EDGE_MISSING INT32_MIN  /* "there is no value": as a reading */
#define TERN_EDGE_UNIT 16            /* scores and thresholds: this is one mean deviation */

/* Steps of the clock that are longer, in either direction, are not believed at once: a single
 * reading from the future would make all that follow be out of order, and after a clock that
 * began again in 1970 nothing would be used until its time has come again. */
#define TERN_EDGE_LEAP_S 604800u /* a week */

/* Bits of a result.  With one of the first five the reading was not used: the state is what it
 * was, bit for bit, and score, z and the rest of the result are 0.  There is one exception: a
 * reading that could be used but for its step of more than TERN_EDGE_LEAP_S, earlier or later,
 * has the status TERN_EDGE_OUT_OF_ORDER | TERN_EDGE_GAP, and about when it was is kept.  If the
 * next usable reading is from then too (36 hours later always is, 55 never) the clock was set:
 * it is used, with TERN_EDGE_GAP.  Any used reading ends the doubt. */
#define TERN_EDGE_IS_MISSING 1u   /* value is TERN_EDGE_MISSING */
#define TERN_EDGE_SATURATED 2u    /* value is at or over max_value (or under -max_value) */
#define TERN_EDGE_NEGATIVE 4u     /* value is negative, and the meter does not run backwards */
#define TERN_EDGE_OUT_OF_ORDER 8u /* not after the last used reading, or a step too far */
#define TERN_EDGE_FROZEN 16u      /* the same value came frozen_limit times before */
#define TERN_EDGE_REFUSED 31u     /* any of these */
#define TERN_EDGE_GAP 32u         /* more than one and a half intervals after that */
#define TERN_EDGE_WARMING_UP 64u  /* used; alarms begin after warm_up readings */
#define TERN_EDGE_ALARM 128u      /* the score is over the threshold: an event begins */

/* Bounds in brackets; tern_edge_meter_init() refuses others. */
struct tern_edge_config {
    int32_t max_value;     /* full scale of the meter [1, TERN_EDGE_MAX_VALUE] */
    int32_t min_deviation; /* smallest deviation that counts as one unit [1, 2^20], in 1/16 */
    uint32_t interval_s;   /* seconds from reading to reading [1, 86400] */
    uint32_t budget;       /* readings for one false alarm [2, 65535]: hourly, a month is 720 */
    uint16_t frozen_limit; /* equal readings in a row that are believed [0: any, else >= 2] */
    uint16_t warm_up;      /* readings before the first alarm; two weeks are good */
    uint16_t hold;         /* readings that belong to an event: in them no other begins */
    uint8_t adapt;         /* baselines move by 1/2^adapt of what is new [2, 8] */
    uint8_t two_way;       /* 1: negative readings are good (the meter also feeds in) */
};

/* The state of a detector, about 1 KB; its fields are not for the caller. */
struct tern_edge_meter {
    const struct tern_edge_config *config;
    const struct tern_edge_net *net; /* or NULL */
    int8_t *history;
    uint32_t *scratch;
    uint32_t last_time;
    uint32_t seen;      /* used readings */
    uint32_t threshold; /* of scores, 1/65536 */
    int32_t last_value;
    int16_t level;                 /* running mean of errors, 1/256 deviations */
    uint16_t doubt;                /* when the clock said something strange; 0: it did not */
    int32_t mean[TERN_EDGE_HOURS]; /* baseline of an hour of the week, 1/16 of a reading */
    int32_t deviation[24];         /* mean absolute residual of an hour of the day, 1/16 */
    uint8_t visits[TERN_EDGE_HOURS];
    uint8_t day_visits[24];
    int8_t day[24]; /* the last residual of an hour of the day, 1/16 deviations */
    int8_t last_z;
    int8_t predicted; /* what the network said about the next residual */
    uint8_t rate;     /* the threshold falls by 1/2^rate */
    uint16_t run;     /* equal readings so far */
    uint16_t held;    /* readings that the last event still holds */
};

struct tern_edge_result {
    uint32_t status;
    int32_t score;     /* 1/16 of a mean deviation; 0 .. 16383 */
    int32_t threshold; /* what the score was compared with, same unit, rounded down */
    int32_t z;         /* residual against the baseline, 1/16 of a mean deviation, signed */
    int32_t predicted; /* the network's prediction of z; 0 without one */
};

/* Begins a detector.  config, net, history and scratch must live as long as *meter.  net may be
 * NULL (then history and scratch too): the score is then that of the seasonal baseline alone.
 * A network has TERN_EDGE_FEATURES inputs and no more outputs; its first output is the next z,
 * 1/16 of a deviation;
 * history and scratch as tern_edge_net_check() says.  Returns 1; or 0 with *meter untouched
 * when a value is out of its bounds or the network is not good. */
int tern_edge_meter_init(struct tern_edge_meter *meter, const struct tern_edge_config *config,
                         const struct tern_edge_net *net, int8_t *history, uint32_t *scratch);

/* One reading.  local_time_s: seconds since 1970-01-01 in the local time of the people whose
 * habits are in the readings (UTC plus its offset; at a change of the clock an hour is skipped,
 * or refused as out of order); value: any.  Cost without network: about 200 instructions. */
void tern_edge_meter_step(struct tern_edge_meter *meter, uint32_t local_time_s, int32_t value,
                          struct tern_edge_result *result);

/* Hour of the week of a local time, 0 .. 167, Monday first. */
uint32_t tern_edge_hour_of_week(uint32_t local_time_s);

/* ---------------------------------------------------------------- the watch */

/* Watches any channel, with one setting for all: no scale, no calendar but the hour of the day.
 * It asks how surprising the newest reading is beside what this channel did before, in bits. */

#define TERN_EDGE_WATCH_STATISTICS 3u
#define TERN_EDGE_BIT 256 /* scores and thresholds of a watch: this is one bit */

/* Bounds in brackets; tern_edge_watch_init() refuses others. */
struct tern_edge_watch_config {
    int32_t max_value; /* full scale [1, TERN_EDGE_MAX_VALUE] */
    int32_t threshold; /* a score at or over it is an alarm, 1/256 bits [1, 65535] */
    uint32_t warm_up;  /* readings before the first alarm */
    uint8_t two_way;   /* 1: negative readings are good */
};

/* What a watch knows of one of its statistics. */
struct tern_edge_watch_statistic {
    int32_t size;  /* its mean magnitude, 1/16 of a reading */
    int32_t usual; /* what one in 256 readings is over, 1/65536 bits */
    int32_t over;  /* by how much they lately were, 1/65536 bits */
};

/* The state of a watch, about 200 bytes; its fields are not for the caller. */
struct tern_edge_watch {
    const struct tern_edge_watch_config *config;
    uint32_t last_time;
    uint32_t seen;
    int32_t fast;   /* running mean of 16 readings, 1/16 */
    int32_t medium; /* of 128 */
    int32_t slow;   /* of 32 */
    int32_t range;  /* mean distance from the slow one */
    uint16_t told;  /* surprises so far */
    uint16_t doubt; /* when the clock said something strange; 0: it did not */
    int32_t shadow; /* of earlier ones, 1/65536 bits */
    struct tern_edge_watch_statistic statistics[TERN_EDGE_WATCH_STATISTICS];
    int32_t hour[24]; /* running mean of an hour of the day, 1/16 */
    uint8_t visits[24];
};

struct tern_edge_watch_result {
    uint32_t status;  /* bits as above; never frozen, negative only where not two_way */
    int32_t score;    /* the surprise, 1/256 bits; 0 in the shadow of an earlier one */
    int32_t surprise; /* the same without shadows */
};

/* Begins a watch.  config must live as long as *watch.  Returns 1; or 0 with *watch untouched
 * when a value is out of its bounds. */
int tern_edge_watch_init(struct tern_edge_watch *watch,
                         const struct tern_edge_watch_config *config);

/* One reading; see tern_edge_meter_step(), also for times that are not believed at once.  A
 * refused one changes nothing else.  Cost: see docs/edge.md. */
void tern_edge_watch_step(struct tern_edge_watch *watch, uint32_t local_time_s, int32_t value,
                          struct tern_edge_watch_result *result);

/* ---------------------------------------------------------------- any channel */

/* Running normalisation of any channel: mean and mean absolute deviation in 1/16. */
struct tern_edge_norm {
    int32_t mean;
    int32_t deviation;
    uint32_t visits;
};

/* One value, |value| <= TERN_EDGE_MAX_VALUE (others are taken as that); adapt 2 .. 8;
 * min_deviation 1 .. 2^20.  Returns (value - mean) / deviation before the update, 1/16,
 * cut to -8191 .. 8191.  With TERN_EDGE_MISSING nothing changes, and 0 is returned: so a device
 * may feed it whatever it has.  A *norm of zeros is a fresh one. */
int32_t tern_edge_norm_step(struct tern_edge_norm *norm, int32_t value, uint32_t adapt,
                            int32_t min_deviation);

/* The level of a channel: is the last day, or whatever 2^near readings are, as much as the time
 * before?  For what no single reading shows: a part that is missing from now on. */
struct tern_edge_level {
    uint32_t seen;
    int32_t near;  /* running mean of 2^near readings, 1/16 */
    int32_t far;   /* of 2^far */
    int32_t usual; /* mean distance of their logarithms, 1/65536 bits */
};

/* One value, 0 .. TERN_EDGE_MAX_VALUE (others are taken as the nearest); near 2 .. 8; far
 * near + 1 .. 12; least 1 .. 2^20, in 1/16: means below it count as it.  Returns
 * log2(near / far) / usual before the update of `far` and `usual`, 1/16, cut to -8191 .. 8191;
 * 0 for the first 2^far values.  With TERN_EDGE_MISSING nothing changes, and 0 is returned.
 * What a meter's status refuses for another reason (saturated, negative, out of order) the
 * caller keeps away from it.  A *level of zeros is a fresh one. */
int32_t tern_edge_level_step(struct tern_edge_level *level, int32_t value, uint32_t near,
                             uint32_t far, int32_t least);

#ifdef __cplusplus
}
#endif

#endif
