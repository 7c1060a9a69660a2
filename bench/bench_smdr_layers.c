/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of whole layers as the engine runs them (model/forward.h), one row, one thread:
 * attention after n tokens, and the feed-forward.  All layers of a network take turns, so that
 * they find in the caches what they would find there in a real one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "bench_smdr.h"
#include "model/tiny.h"

enum { CONTEXT = 4096, LENGTHS = 4, RADIUS = 3, MAX_WIDTH = 6912 };

/* A network of which one part is run. */
typedef struct network {
    tern_model *model;
    tern_session *session;
    tern_batch *batch;
    ti_row row;
    ti_pass pass;
    ti_worker worker;
    float *x; /* a residual stream */
} network;

static void begin_pass(network *net)
{
    tern_batch *b = net->batch;
    for (size_t i = 0; i < b->n_next; i++) {
        atomic_store_explicit(&b->next[i], 0, memory_order_relaxed);
    }
}

static tern_model *make_model(const tiny_spec *spec, const tern_model_opts *opts)
{
    static unsigned number; /* models stay mapped */
    char name[32];
    snprintf(name, sizeof name, "bench%u.gguf", number++);
    const char *path = tiny_path(name);
    tern_model *model = NULL;
    tern_err err;
    tiny_write(spec, path);
    if (tern_model_open(&model, path, opts, &err) != TERN_OK) {
        bench_stop("a model", &err);
    }
    return model;
}

static network *make_network(tern_model *model)
{
    network *net = calloc(1, sizeof *net);
    const tern_session_opts one = {.threads = 1};
    uint32_t n_ctx = model->config.n_ctx;
    size_t width = model->config.n_embd;
    tern_err err;
    if (!net || !(net->x = calloc(width, sizeof *net->x))) {
        bench_stop("no memory", NULL);
    }
    net->model = model;
    if (tern_session_create(&net->session, model, &one, &err) != TERN_OK ||
        ti_batch_new(&net->batch, model, 1, 1, n_ctx, &err) != TERN_OK) {
        bench_stop("a session", &err);
    }
    ti_rng rng;
    ti_rng_seed(&rng, 3);
    for (size_t i = 0; i < width; i++) { /* bell-shaped enough */
        net->x[i] = ti_rng_unit(&rng) + ti_rng_unit(&rng) + ti_rng_unit(&rng) - 1.5f;
    }
    net->row = (ti_row){.session = net->session};
    net->pass = (ti_pass){
        .b = net->batch, .model = model, .kern = model->kern, .rows = &net->row, .m = 1};
    net->worker = (ti_worker){.p = &net->pass, .own = net->batch->threads, .n = 1};
    return net;
}

/* --- attention ---------------------------------------------------------------------------- */

enum { TORUS, TIGHT, WINDOW, FULL, KINDS };

static const struct {
    const char *name, *kinds;
    uint32_t side, budget;
} kinds[KINDS] = {
    /* The smallest torus that no query looks around, and the smallest that holds the context.
     */
    {"torus of side 66", "torus", 66, 0},
    {"torus of side 64", "torus", 64, 0},
    {"window", "window", 0, RADIUS *RADIUS + RADIUS + 1},
    {"full", "full", 0, 0},
};
static const uint32_t lengths[LENGTHS] = {512, 1024, 2048, 4096};
static size_t attention[KINDS][LENGTHS];

/* The attention of a token in all layers: queries and keys are turned, its key and value are
 * stored, and it attends.  The latest tokens take turns, because on a torus it depends on the
 * column how many keys one sees. */
static void attend(void *ctx)
{
    enum { LATEST = 66 };
    network *net = ctx;
    uint32_t read = (uint32_t)net->session->n_tokens;
    net->row.position = net->row.position + 1 < read ? net->row.position + 1 : read - LATEST;
    begin_pass(net);
    for (size_t l = 0; l < net->model->config.n_layer; l++) {
        ti_attend(&net->worker, &net->model->layers[l], l, ti_counter_of(l, TI_COUNT_ATTEND));
    }
}

void bench_attention(bench *b)
{
    enum { LAYERS = 8 };
    static tern_token tokens[CONTEXT];
    tiny_tokens(tokens, CONTEXT, 1);
    for (size_t k = 0; k < KINDS; k++) {
        char names[128];
        size_t used = 0;
        for (size_t l = 0; l < LAYERS; l++) {
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", l ? "," : "",
                                     kinds[k].kinds);
        }
        const tiny_spec spec = {.arch = "smdr",
                                .type = "tq2_0",
                                .embd = "q8_0",
                                .n_layer = LAYERS,
                                .n_embd = 256,
                                .n_ff = 256,
                                .n_head = 4,
                                .n_head_kv = 4,
                                .head_dim = 64,
                                .n_ctx = CONTEXT,
                                .smdr = {.kinds = names,
                                         .side = kinds[k].side,
                                         .radius = kinds[k].side ? RADIUS : 0,
                                         .budget = kinds[k].budget}};
        const tern_model_opts one = {.threads = 1};
        tern_model *model = make_model(&spec, &one);
        for (size_t n = 0; n < LENGTHS; n++) {
            network *net = make_network(model);
            tern_err err;
            if (tern_session_feed(net->session, tokens, lengths[n], &err) != TERN_OK) {
                bench_stop("reading", &err);
            }
            net->row.position = lengths[n] - 1;
            ti_attention_plan(net->batch, &net->row, 1);
            attention[k][n] =
                bench_add(b, "attention of a token, 8 layers of 4 heads of 64", attend, net,
                          "%s, at %u tokens", kinds[k].name, lengths[n]);
        }
    }
}

/* --- the feed-forward --------------------------------------------------------------------- */

enum { SHAPES = 2, SHARES = 8 };

static const struct {
    uint32_t n_embd, n_ff, layers;
} shapes[SHAPES] = {{2560, 6912, 3}, {256, 768, 8}};
static const double shares[SHARES] = {0.02, 0.05, 0.10, 0.15, 0.20, 0.30, 0.39, 0.50};
static const char *const layouts[2] = {"t2", "t5"};
static size_t dense[SHAPES][2], largest[SHAPES][SHARES];

/* A network with a number of gates that stay open; 0 = all. */
typedef struct gated {
    network *net;
    uint32_t top_k;
} gated;

static void feed_forward(void *ctx)
{
    const gated *g = ctx;
    network *net = g->net;
    begin_pass(net);
    net->model->config.top_k = g->top_k;
    memcpy(net->batch->x, net->x, net->model->config.n_embd * sizeof *net->x);
    for (size_t l = 0; l < net->model->config.n_layer; l++) {
        ti_feed_forward(&net->worker, &net->model->layers[l], l);
    }
}

static network *make_shape(size_t shape, const tern_model_opts *opts)
{
    const tiny_spec spec = {.arch = "smdr",
                            .type = "tq2_0",
                            .embd = "q8_0",
                            .n_layer = shapes[shape].layers,
                            .n_embd = shapes[shape].n_embd,
                            .n_ff = shapes[shape].n_ff,
                            .n_head = 4,
                            .n_head_kv = 1,
                            .head_dim = 64,
                            .n_ctx = 16};
    return make_network(make_model(&spec, opts));
}

static gated *make_gated(network *net, double share)
{
    gated *g = calloc(1, sizeof *g);
    if (!g) {
        bench_stop("no memory", NULL);
    }
    *g = (gated){net, (uint32_t)(share * net->model->config.n_ff)};
    return g;
}

/* --- the two sparse products alone -------------------------------------------------------- */

enum { POINTS = 8 };

typedef struct alone {
    network *net;
    ti_act act;
    uint32_t *list;
    size_t n;
} alone;

static const double points[POINTS] = {0.05, 0.10, 0.15, 0.20, 0.30, 0.40, 0.50, 0.65};

static void listed_rows(void *ctx)
{
    const alone *a = ctx;
    const tern_model *m = a->net->model;
    for (size_t l = 0; l < m->config.n_layer; l++) {
        m->kern->t2_rows(a->net->batch->up, &m->layers[l].up, &a->act, a->list, a->n);
    }
}

static void listed_columns(void *ctx)
{
    const alone *a = ctx;
    const tern_model *m = a->net->model;
    for (size_t l = 0; l < m->config.n_layer; l++) {
        const ti_mat *t = &m->layers[l].down_t;
        memset(a->net->batch->sums, 0, t->kp * sizeof(int32_t));
        m->kern->t2_cols(a->net->batch->sums, t, a->act.q, a->list, a->n, 0, t->kp);
    }
}

static void product_of(const alone *a, bool up)
{
    const tern_model *m = a->net->model;
    for (size_t l = 0; l < m->config.n_layer; l++) {
        const ti_mat *mat = up ? &m->layers[l].up : &m->layers[l].down;
        m->kern->matmul[mat->layout](a->net->batch->up, mat->rows, mat, &a->act, 0, mat->rows,
                                     a->net->worker.own->scratch);
    }
}

static void whole_up(void *ctx)
{
    product_of(ctx, true);
}

static void whole_down(void *ctx)
{
    product_of(ctx, false);
}

/* An input of k numbers for all layers, and a random list of a share of n. */
static alone *make_alone(network *net, size_t k, size_t n, double share)
{
    alone *a = calloc(1, sizeof *a);
    static float values[MAX_WIDTH];
    ti_rng rng;
    ti_rng_seed(&rng, 4);
    if (!a || !(a->list = calloc(n + 1, sizeof *a->list))) {
        bench_stop("no memory", NULL);
    }
    for (size_t i = 0; i < n; i++) {
        a->list[a->n] = (uint32_t)i;
        a->n += (double)ti_rng_unit(&rng) < share;
    }
    for (size_t i = 0; i < k; i++) {
        values[i] = ti_rng_unit(&rng) - 0.5f;
    }
    /* One memory for each width: the batch's own is as wide as the widest. */
    ti_act_memory memory =
        k == net->model->config.n_ff ? net->worker.own->act : net->batch->act;
    a->act = ti_act_view(&memory, 1, k);
    net->model->kern->quant_token(&a->act, 0, values);
    a->net = net;
    return a;
}

static void bench_alone(bench *b, size_t s, network *plain, network *net)
{
    static const char group[] = "up and down products, all layers";
    size_t n_embd = shapes[s].n_embd, n_ff = shapes[s].n_ff;
    (void)bench_add(b, group, whole_up, make_alone(plain, n_embd, n_ff, 1.0),
                    "up, %zu x %zu, dense, t2", n_ff, n_embd);
    (void)bench_add(b, group, whole_down, make_alone(plain, n_ff, n_ff, 1.0),
                    "down, %zu x %zu, dense, t2", n_embd, n_ff);
    for (size_t p = 0; p < POINTS; p++) {
        (void)bench_add(b, group, listed_rows, make_alone(net, n_embd, n_ff, points[p]),
                        "up, %.0f %% of the rows", 100 * points[p]);
        (void)bench_add(b, group, listed_columns, make_alone(net, n_ff, n_ff, points[p]),
                        "down, %.0f %% of the columns", 100 * points[p]);
    }
}

void bench_feed_forward(bench *b, const ti_kern *kern)
{
    static char headings[SHAPES][64];
    for (size_t s = 0; s < SHAPES; s++) {
        network *plain[2];
        snprintf(headings[s], sizeof headings[s], "feed-forward of %u x %u, %u layers",
                 shapes[s].n_embd, shapes[s].n_ff, shapes[s].layers);
        for (size_t i = 0; i < 2; i++) {
            const tern_model_opts off = {.threads = 1,
                                         .cpu = kern->name,
                                         .layout = layouts[i],
                                         .sparse = TERN_SPARSE_OFF};
            plain[i] = make_shape(s, &off);
            dense[s][i] = bench_add(b, headings[s], feed_forward, make_gated(plain[i], 0.0),
                                    "all gates, dense, %s", layouts[i]);
        }
        const tern_model_opts on = {.threads = 1, .cpu = kern->name, .sparse = TERN_SPARSE_ON};
        network *net = make_shape(s, &on);
        for (size_t i = 0; i < SHARES; i++) {
            largest[s][i] = bench_add(b, headings[s], feed_forward, make_gated(net, shares[i]),
                                      "the largest %.0f %%, skipping", 100 * shares[i]);
        }
        bench_alone(b, s, plain[0], net);
    }
}

/* --- goals -------------------------------------------------------------------------------- */

size_t bench_attention_goals(const bench *b, bench_goal *goals)
{
    size_t n = 0, last = LENGTHS - 1;
    for (size_t k = TORUS; k <= TIGHT; k++) {
        double least = 1e30, most = 0.0;
        for (size_t i = 0; i < LENGTHS; i++) {
            double us = bench_us(b, attention[k][i]);
            least = us < least ? us : least;
            most = us > most ? us : most;
        }
        goals[n] = (bench_goal){.value = most / least, .goal = 1.10, .at_most = true};
        snprintf(goals[n].what, sizeof goals[n].what, "%s, slowest / fastest, 512 to 4096",
                 kinds[k].name);
        goals[++n] = (bench_goal){
            .value = bench_ratio(b, attention[FULL][last], attention[k][last]), .goal = 20.0};
        snprintf(goals[n].what, sizeof goals[n].what, "full / %s, at 4096 tokens",
                 kinds[k].name);
        n++;
    }
    return n;
}

size_t bench_feed_forward_goals(const bench *b, bench_goal *goals)
{
    for (size_t s = 0; s < SHAPES; s++) {
        bool t5 = bench_us(b, dense[s][1]) < bench_us(b, dense[s][0]);
        goals[s] =
            (bench_goal){.value = bench_ratio(b, dense[s][t5], largest[s][2]), .goal = 2.0};
        snprintf(goals[s].what, sizeof goals[s].what,
                 "feed-forward %u x %u, dense (%s) / the largest 10 %%", shapes[s].n_embd,
                 shapes[s].n_ff, layouts[t5]);
    }
    return SHAPES;
}
