/* SPDX-License-Identifier: Apache-2.0 */
/* A vocabulary has 100,000 entries and a few of them matter, so nothing here sorts it: top-k
 * keeps a heap of k, and top-p first drops what cannot be in its set.
 *
 * All probabilities are weights exp(logit - highest logit) in double, by base/detmath.h: the
 * C library's differs between systems. */
#include "model/sampler.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/detmath.h"

static const char module[] = "sampler";

enum { DEFAULT_LAST_N = 64 };

/* --- options ----------------------------------------------------------------------------- */

/* Names the option that is wrong, or NULL. */
static const char *wrong_option(const tern_sampler_opts *o)
{
    if (!isfinite(o->temperature) || o->temperature < 0) {
        return "temperature must be 0 or more";
    }
    if (!(o->top_p >= 0 && o->top_p <= 1)) {
        return "top_p must be from 0 to 1";
    }
    if (!(o->min_p >= 0 && o->min_p <= 1)) {
        return "min_p must be from 0 to 1";
    }
    if (!isfinite(o->repeat_penalty) || o->repeat_penalty < 0) {
        return "repeat_penalty must be 0 or more";
    }
    if (!isfinite(o->presence_penalty) || !isfinite(o->frequency_penalty)) {
        return "presence_penalty and frequency_penalty must be finite";
    }
    return NULL;
}

tern_status ti_sampler_init(ti_sampler *out, const tern_sampler_opts *opts, tern_err *err)
{
    const char *wrong = wrong_option(opts);
    if (wrong) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET, "%s", wrong);
    }
    out->opts = *opts;
    ti_rng_seed(&out->rng, opts->seed);
    return TERN_OK;
}

tern_status ti_sampler_check(const ti_sampler *sampler, tern_err *err)
{
    const uint64_t *s = sampler->rng.s;
    const char *wrong = wrong_option(&sampler->opts);
    if (!wrong && (s[0] | s[1] | s[2] | s[3]) == 0) { /* it would never leave zero */
        wrong = "the random state is zero";
    }
    return wrong ? ti_fail(err, TERN_CORRUPT, module, TI_NO_OFFSET, "%s", wrong) : TERN_OK;
}

/* --- scratch ----------------------------------------------------------------------------- */

/* A token that may be chosen. */
typedef struct candidate {
    float logit;
    tern_token id;
} candidate;

typedef struct workspace {
    double *weights;       /* [n] */
    candidate *candidates; /* [n] */
    float *logits;         /* [n] after penalties */
    tern_token *ids;       /* [n] of the logits, when only some tokens are allowed */
    uint32_t *counts;      /* [n], in the place of weights */
} workspace;

size_t ti_sampler_scratch_bytes(size_t n_vocab)
{
    return n_vocab * (sizeof(double) + sizeof(candidate) + sizeof(float) + sizeof(tern_token));
}

static workspace workspace_of(void *scratch, size_t n)
{
    workspace w;
    w.weights = scratch;
    w.candidates = (candidate *)(w.weights + n);
    w.logits = (float *)(w.candidates + n);
    w.ids = (tern_token *)(void *)(w.logits + n);
    w.counts = scratch;
    return w;
}

/* --- logits ------------------------------------------------------------------------------ */

static bool all_finite(const float *x, size_t n)
{
    enum { EXPONENT = 0x7f800000 };
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bad |= (bits & EXPONENT) == EXPONENT;
    }
    return bad == 0;
}

static float highest(const float *x, size_t n)
{
    enum { LANES = 16 };
    float top[LANES], max = x[0];
    size_t i = 0;
    for (int l = 0; l < LANES; l++) {
        top[l] = x[0];
    }
    for (; i + LANES <= n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            top[l] = x[i + l] > top[l] ? x[i + l] : top[l];
        }
    }
    for (; i < n; i++) {
        max = x[i] > max ? x[i] : max;
    }
    for (int l = 0; l < LANES; l++) {
        max = top[l] > max ? top[l] : max;
    }
    return max;
}

static tern_token first_at(const float *x, float value)
{
    size_t i = 0;
    while (x[i] != value) {
        i++;
    }
    return (tern_token)i;
}

static bool has_penalties(const tern_sampler_opts *o)
{
    bool repeat = o->repeat_penalty != 0.0f && o->repeat_penalty != 1.0f;
    return repeat || o->presence_penalty != 0.0f || o->frequency_penalty != 0.0f;
}

/* A logit after the penalties for `count` occurrences, kept finite. */
static float penalised(float logit, uint32_t count, const tern_sampler_opts *o)
{
    float repeat = o->repeat_penalty != 0.0f ? o->repeat_penalty : 1.0f;
    logit = logit > 0.0f ? logit / repeat : logit * repeat;
    logit = logit - ((float)count * o->frequency_penalty + o->presence_penalty);
    return logit > FLT_MAX ? FLT_MAX : logit >= -FLT_MAX ? logit : -FLT_MAX;
}

/* Counts are cleared and read only where the window has tokens: no pass over all. */
static void apply_penalties(const workspace *w, size_t n, const tern_sampler_opts *o,
                            const tern_token *recent, size_t n_recent)
{
    size_t last_n = o->penalty_last_n ? o->penalty_last_n : DEFAULT_LAST_N;
    if (n_recent > last_n) {
        recent += n_recent - last_n;
        n_recent = last_n;
    }
    for (size_t i = 0; i < n_recent; i++) {
        if (recent[i] >= 0 && (size_t)recent[i] < n) {
            w->counts[recent[i]] = 0;
        }
    }
    for (size_t i = 0; i < n_recent; i++) {
        if (recent[i] >= 0 && (size_t)recent[i] < n) {
            w->counts[recent[i]]++;
        }
    }
    for (size_t i = 0; i < n_recent; i++) {
        tern_token id = recent[i];
        if (id >= 0 && (size_t)id < n && w->counts[id] > 0) {
            w->logits[id] = penalised(w->logits[id], w->counts[id], o);
            w->counts[id] = 0; /* once */
        }
    }
}

/* --- weights ----------------------------------------------------------------------------- */

/* exp(x) for x <= 0, and 0 where it is too small to count beside 1 even a million times. */
static double weight_of(double x)
{
    return x > -50.0 ? ti_exp(x) : 0.0;
}

/* --- order ------------------------------------------------------------------------------- */

static bool before(candidate a, candidate b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

/* A heap whose root comes last in the order, or first if `best_on_top`. */
static void sift(candidate *heap, size_t n, size_t at, bool best_on_top)
{
    candidate moving = heap[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(heap[child + 1], heap[child]) == best_on_top) {
            child++;
        }
        if (before(heap[child], moving) != best_on_top) {
            break;
        }
        heap[at] = heap[child];
    }
    heap[at] = moving;
}

static void make_heap(candidate *heap, size_t n, bool best_on_top)
{
    for (size_t i = n / 2; i-- > 0;) {
        sift(heap, n, i, best_on_top);
    }
}

/* The first k of the order, in it.  1 <= k <= n. */
static void select_top_k(candidate *out, size_t k, const float *logits, size_t n)
{
    for (size_t i = 0; i < k; i++) {
        out[i] = (candidate){logits[i], (tern_token)i};
    }
    make_heap(out, k, false);
    for (size_t i = k; i < n; i++) {
        if (logits[i] > out[0].logit) { /* on a tie the lower id is in already */
            out[0] = (candidate){logits[i], (tern_token)i};
            sift(out, k, 0, false);
        }
    }
    for (size_t left = k; left > 1; left--) { /* the last goes to the end */
        candidate last = out[0];
        out[0] = out[left - 1];
        out[left - 1] = last;
        sift(out, left - 1, 0, false);
    }
}

/* Top-p over a sorted set: how many are kept. */
static size_t cut_top_p(const candidate *c, size_t n, double p)
{
    double total = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        total += weight_of((double)c[i].logit - (double)c[0].logit);
    }
    for (size_t i = 0; i < n; i++) {
        sum += weight_of((double)c[i].logit - (double)c[0].logit);
        if (sum >= p * total) {
            return i + 1;
        }
    }
    return n;
}

static void reverse(candidate *c, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        candidate swap = c[i];
        c[i] = c[n - 1 - i];
        c[n - 1 - i] = swap;
    }
}

/* Top-p over all tokens: the kept ones, in order, at w->candidates.  Tokens so small that all
 * of them together are less than what may be missing are left out before anything is ordered.
 */
static size_t select_top_p(const workspace *w, const float *logits, size_t n, float max,
                           double p)
{
    double total = 0;
    for (size_t i = 0; i < n; i++) {
        w->weights[i] = weight_of((double)logits[i] - (double)max);
        total += w->weights[i];
    }
    double least = (1.0 - p) * total / (double)n;
    size_t kept = 0, taken = 0;
    for (size_t i = 0; i < n; i++) {
        if (w->weights[i] >= least) {
            w->candidates[kept++] = (candidate){logits[i], (tern_token)i};
        }
    }
    make_heap(w->candidates, kept, true);
    double sum = 0;
    while (taken < kept && sum < p * total) { /* the taken ones gather at the end, backwards */
        candidate best = w->candidates[0];
        size_t left = kept - ++taken;
        w->candidates[0] = w->candidates[left];
        w->candidates[left] = best;
        sift(w->candidates, left, 0, true);
        sum += w->weights[best.id];
    }
    reverse(w->candidates, kept);
    return taken;
}

/* --- choosing ---------------------------------------------------------------------------- */

/* All tokens in the order of their ids, without those under min_p. */
static size_t take_all(const workspace *w, const float *logits, size_t n, float max,
                       double min_p)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (min_p <= 0 || weight_of((double)logits[i] - (double)max) >= min_p) {
            w->candidates[kept++] = (candidate){logits[i], (tern_token)i};
        }
    }
    return kept;
}

/* The candidates that the filters leave, at w->candidates; at least one. */
static size_t filter(const workspace *w, const float *logits, size_t n, float max,
                     const tern_sampler_opts *o)
{
    double top_p = (double)o->top_p, min_p = (double)o->min_p;
    bool some_k = o->top_k > 0 && o->top_k<n, some_p = top_p> 0 && top_p < 1;
    size_t kept;
    if (some_k) {
        kept = o->top_k;
        select_top_k(w->candidates, kept, logits, n);
        if (some_p) {
            kept = cut_top_p(w->candidates, kept, top_p);
        }
    } else if (some_p) {
        kept = select_top_p(w, logits, n, max, top_p);
    } else {
        return take_all(w, logits, n, max, min_p);
    }
    while (min_p > 0 && kept > 1 && /* they are sorted */
           weight_of((double)w->candidates[kept - 1].logit - (double)max) < min_p) {
        kept--;
    }
    return kept;
}

/* Draws one of the candidates by exp(logit / temperature). */
static tern_token draw(const workspace *w, size_t n, float max, double temperature, ti_rng *rng)
{
    double total = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        double x = ((double)w->candidates[i].logit - (double)max) / temperature;
        w->weights[i] = weight_of(x);
        total += w->weights[i];
    }
    double target = (double)(ti_rng_next(rng) >> 11) * 0x1p-53 * total; /* [0, total) */
    size_t chosen = 0;
    for (size_t i = 0; i < n && sum <= target; i++) {
        if (w->weights[i] > 0) { /* the last one that counts, should sums round below target */
            chosen = i;
        }
        sum += w->weights[i];
    }
    return w->candidates[chosen].id;
}

/* Moves the logits of the allowed tokens together, in the order of their ids, so that what
 * follows need not know.  Returns their number. */
static size_t gather(const workspace *w, const float *logits, size_t n, const uint64_t *allowed)
{
    size_t kept = 0;
    for (size_t i = 0; i < (n + 63) / 64; i++) {
        for (uint64_t bits = allowed[i]; bits; bits &= bits - 1) {
            size_t id = i * 64 + (size_t)__builtin_ctzll(bits);
            w->logits[kept] = logits[id];
            w->ids[kept++] = (tern_token)id;
        }
    }
    return kept;
}

tern_status ti_sampler_pick_of(ti_sampler *sampler, const float *logits, size_t n_vocab,
                               const uint64_t *allowed, const tern_token *recent,
                               size_t n_recent, void *scratch, tern_token *out, tern_err *err)
{
    const tern_sampler_opts *o = &sampler->opts;
    TI_ASSERT(n_vocab > 0 && n_vocab <= INT32_MAX);
    if (!all_finite(logits, n_vocab)) {
        return ti_fail(err, TERN_CORRUPT, module, TI_NO_OFFSET, "logits are not finite");
    }
    workspace w = workspace_of(scratch, n_vocab);
    size_t n = n_vocab;
    if (has_penalties(o)) {
        memcpy(w.logits, logits, n_vocab * sizeof *logits);
        apply_penalties(&w, n_vocab, o, recent, n_recent);
        logits = w.logits;
    }
    if (allowed) {
        n = gather(&w, logits, n_vocab, allowed);
        TI_ASSERT(n > 0);
        logits = w.logits;
    }
    float max = highest(logits, n);
    tern_token chosen;
    if (o->temperature == 0.0f) {
        chosen = first_at(logits, max);
    } else {
        size_t kept = filter(&w, logits, n, max, o);
        chosen = draw(&w, kept, max, (double)o->temperature, &sampler->rng);
    }
    *out = allowed ? w.ids[chosen] : chosen;
    return TERN_OK;
}

tern_status ti_sampler_pick(ti_sampler *sampler, const float *logits, size_t n_vocab,
                            const tern_token *recent, size_t n_recent, void *scratch,
                            tern_token *out, tern_err *err)
{
    return ti_sampler_pick_of(sampler, logits, n_vocab, NULL, recent, n_recent, scratch, out,
                              err);
}
