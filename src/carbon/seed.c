/* SPDX-License-Identifier: Apache-2.0 */
#include "carbon/seed.h"

#include "carbon/units.h"

/* Inputs as the note prints them. */
enum {
    CLUSTER_W = 1000,
    CLUSTER_MS = 2000,
    CARD_W = 450,
    CARD_MS = 500,
    PYTORCH_W = 150,
    PYTORCH_MS = 5000,
    TERNARY_W = 15,
    TERNARY_MS = 100,
    DAYS = 365,
    CARDS = 50, /* the only whole number of 450 W cards that gives its 197,100 kWh */
    ORACLE_GPU_W = 300,
    OLD_CONSENSUS_W = 100,
    NEW_CONSENSUS_W = 50,
    VALIDATORS = 1000
};
#define INFERENCES_A_DAY UINT64_C(1000000)

/* A W drawn for a ms is a mJ. */
static uint64_t milli_joules(uint64_t power_w, uint64_t time_ms)
{
    return power_w * time_ms;
}

/* The numbers here are known and small: what does not fit is a slip in this file. */
static uint64_t ratio3(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    uint64_t out = 0;
    bool fits = ti_ratio_u64(&out, (const uint64_t[]){a, b, c}, 3, &d, 1);
    TI_ASSERT(fits);
    return out;
}

/* Watt-hours of a year of a million inferences a day. */
static uint64_t year_wh(uint64_t mj_each)
{
    const uint64_t mj_per_wh = 3600000;
    return ratio3(mj_each, INFERENCES_A_DAY, DAYS, mj_per_wh);
}

static uint64_t continuous_wh(uint64_t power_w, uint64_t n)
{
    return power_w * n * TI_HOURS_PER_YEAR;
}

uint64_t ti_seed_milli_tonnes(uint64_t energy_wh, uint64_t intensity_mg_kwh)
{
    /* Wh x mg/kWh = ug; 10^9 ug are a kg, which is a thousandth of a tonne. */
    return ratio3(energy_wh, intensity_mg_kwh, 1, TI_UG_PER_KG);
}

typedef struct writer {
    ti_seed_row *rows;
    size_t n;
    ti_seed_table table;
} writer;

static void add(writer *w, const char *item, const char *unit, uint64_t printed_milli,
                uint64_t computed_milli, ti_verdict verdict, const char *reason)
{
    TI_ASSERT(w->n < TI_SEED_ROWS);
    w->rows[w->n++] = (ti_seed_row){.table = w->table,
                                    .item = item,
                                    .unit = unit,
                                    .printed_milli = printed_milli,
                                    .computed_milli = computed_milli,
                                    .verdict = verdict,
                                    .reason = reason};
}

/* A row in tonnes, with what it was worked out from. */
static void add_tonnes(writer *w, const char *item, uint64_t printed_t, uint64_t energy_wh,
                       ti_verdict verdict, const char *reason)
{
    add(w, item, "t CO2", printed_t, ti_seed_milli_tonnes(energy_wh, TI_SEED_INTENSITY_MG_KWH),
        verdict, reason);
    w->rows[w->n - 1].energy_wh = energy_wh;
}

static void inference(writer *w)
{
    uint64_t cluster = milli_joules(CLUSTER_W, CLUSTER_MS),
             card = milli_joules(CARD_W, CARD_MS);
    uint64_t ternary = milli_joules(TERNARY_W, TERNARY_MS);
    w->table = TI_SEED_INFERENCE;
    add(w, "GPT-4 API", "J", 2000000, cluster, TI_REPRODUCED,
        "1000 W x 2 s; both are guesses, and no model, length or batch is said");
    add(w, "Local GPU (RTX 4090)", "J", 225000, card, TI_REPRODUCED,
        "450 W x 0.5 s; the card's limit, not a reading");
    add(w, "CPU PyTorch", "J", 750000, milli_joules(PYTORCH_W, PYTORCH_MS), TI_REPRODUCED,
        "150 W x 5 s; both are guesses");
    add(w, "SMDR Ternary (CPU)", "J", 1500, ternary, TI_REPRODUCED,
        "15 W x 0.1 s; both are guesses; 'tern meter' says what a run takes");
    add(w, "less energy than the GPU", "x", 150000, ratio3(card, 1000, 1, ternary), TI_REFUTED,
        "the quotient is right, the comparison is not: other models, answers and lengths");
    add(w, "less energy than the API", "x", 1300000, ratio3(cluster, 1000, 1, ternary),
        TI_REFUTED, "2000 / 1.5 is 1333; other models, answers and lengths as above");
}

static void year(writer *w)
{
    uint64_t card = year_wh(milli_joules(CARD_W, CARD_MS));
    uint64_t cluster = year_wh(milli_joules(CLUSTER_W, CLUSTER_MS));
    uint64_t ternary = year_wh(milli_joules(TERNARY_W, TERNARY_MS));
    uint64_t cards = continuous_wh(CARD_W, CARDS);
    w->table = TI_SEED_YEAR;
    add(w, "GPU cluster", "kWh", 197100000, card, TI_CORRECTED,
        "at its own 225 J; the printed one is 50 cards x 450 W x 8760 h, 1944 J each");
    add(w, "GPU cluster, as 50 cards", "kWh", 197100000, cards, TI_REPRODUCED,
        "50 cards that run all year, however many inferences there are");
    add(w, "Cloud API", "kWh", 730000000, cluster, TI_CORRECTED,
        "2000 J were read as 2000 mWh: 3.6 times too much");
    add(w, "SMDR on edge", "kWh", 548000, ternary, TI_CORRECTED,
        "1.5 J were read as 1.5 mWh: 3.6 times too much");
    add_tonnes(w, "GPU cluster", 100000, card, TI_CORRECTED, "from the corrected energy");
    add_tonnes(w, "Cloud API", 365000, cluster, TI_CORRECTED, "from the corrected energy");
    add_tonnes(w, "SMDR on edge", 300, ternary, TI_CORRECTED, "from the corrected energy");
}

static void validator(writer *w)
{
    uint64_t before = ORACLE_GPU_W + OLD_CONSENSUS_W, after = TERNARY_W + NEW_CONSENSUS_W;
    w->table = TI_SEED_VALIDATOR;
    add(w, "before: card and server", "W", 400000, before * 1000, TI_REPRODUCED,
        "300 + 100; a card at 300 W day and night, for an oracle that answers now and then");
    add(w, "after: CPU and consensus", "W", 65000, after * 1000, TI_REPRODUCED,
        "15 + 50; no reason is given why consensus takes half of what it took");
    add(w, "saved", "%", 84000, ratio3(before - after, 100000, 1, before), TI_REPRODUCED,
        "335 / 400 is 83.75");
    add(w, "saved, consensus unchanged", "%", 84000,
        ratio3(ORACLE_GPU_W - TERNARY_W, 100000, 1, before), TI_CORRECTED,
        "only the model is exchanged: 400 W become 115 W");
}

static void validators(writer *w)
{
    uint64_t before = continuous_wh(ORACLE_GPU_W + OLD_CONSENSUS_W, VALIDATORS);
    uint64_t after = continuous_wh(TERNARY_W + NEW_CONSENSUS_W, VALIDATORS);
    w->table = TI_SEED_VALIDATORS;
    add(w, "before", "kWh", UINT64_C(3504000000), before, TI_REPRODUCED,
        "400 W x 1000 x 8760 h");
    add(w, "after", "kWh", 569400000, after, TI_REPRODUCED, "65 W x 1000 x 8760 h");
    add(w, "saved", "kWh", UINT64_C(2934600000), before - after, TI_REPRODUCED,
        "the difference; a thousand validators are a scenario");
    add_tonnes(w, "before", 1750000, before, TI_REPRODUCED, "rounded");
    add_tonnes(w, "after", 285000, after, TI_REPRODUCED, "rounded");
    add_tonnes(
        w, "saved", 1465000, before - after, TI_CORRECTED,
        "the printed one is the difference of two rounded numbers; not using is no credit");
    add_tonnes(w, "saved, summary", 1500000, before - after, TI_REPRODUCED,
               "rounded to hundreds");
}

static void context(writer *w)
{
    const uint64_t training_wh = UINT64_C(50000000000); /* 50,000 MWh */
    const uint64_t bitcoin_wh = UINT64_C(150000000000000);
    w->table = TI_SEED_CONTEXT;
    add_tonnes(w, "GPT-4 training", 25000000, training_wh, TI_UNMEASURED,
               "50,000 MWh at the same factor; no source is given for the energy");
    add_tonnes(w, "Bitcoin, a year", UINT64_C(70000000000), bitcoin_wh, TI_CORRECTED,
               "150 TWh at the factor used everywhere else; 70 Mt would be 0.467 kg/kWh");
    add(w, "cooling on top", "%", 40000, 0, TI_UNMEASURED,
        "a PUE of 1.4 without place or year; data centres report 1.1 to 1.6");
}

void ti_seed_rows(ti_seed_row out[TI_SEED_ROWS])
{
    writer w = {.rows = out};
    inference(&w);
    year(&w);
    validator(&w);
    validators(&w);
    context(&w);
    TI_ASSERT(w.n == TI_SEED_ROWS);
}

const char *ti_seed_table_name(ti_seed_table table)
{
    static const char *const names[] = {"energy per inference", "1M inferences a day, a year",
                                        "one validator", "1000 validators, a year",
                                        "introduction"};
    return names[table];
}

const char *ti_verdict_name(ti_verdict verdict)
{
    static const char *const names[] = {"reproduced", "corrected", "refuted", "unmeasured"};
    return names[verdict];
}
