/* SPDX-License-Identifier: Apache-2.0 */
/* The claims of the two notes that started the project, except the tables of energy and carbon
 * (carbon/seed.c): "Carbon-Efficient Distributed Computing" and "Infrastructure Scanning
 * Report".  What is said of software and services elsewhere was looked up in their public
 * repositories in 2026. */
#include "cli/claims.h"

/* A printed number, or a range; they are in thousandths. */
#define ONE(n) .low_milli = (n), .high_milli = (n)
#define FROM_TO(low, high) .low_milli = (low), .high_milli = (high)

static const char weights[] = "ternary weights", torus[] = "toroidal attention",
                  sparse[] = "sparse activations", stack[] = "the stack",
                  machines[] = "machines and places", services[] = "tools and services",
                  elsewhere[] = "models elsewhere";

const ti_claim ti_claims[] = {
    {weights, "information in a weight", "1.58 bits", ONE(1580), "bits", ti_count_bits,
     TI_REPRODUCED, "log2 3; kernels read 1.67 (T5) or 2 (T2) bits, which are faster to unpack",
     "tern claims"},
    {weights, "100M weights in fp32", "400 MB", ONE(400000), "MB", ti_count_mb_fp32,
     TI_REPRODUCED, "4 bytes each", "tern claims"},
    {weights, "100M weights as the note's code keeps them", "100 MB", ONE(100000), "MB",
     ti_count_mb_int8, TI_REPRODUCED, "a byte each: 4 times less than fp32, not 20",
     "tern claims"},
    {weights, "100M weights, packed", "20 MB", ONE(20000), "MB", ti_count_mb_packed,
     TI_CORRECTED,
     "as tern keeps them, three in five bits, rows padded; five in a byte would be 20.0",
     "tern claims"},
    {weights, "smaller than fp32; more of them in a cache", "20x", ONE(20000), "x",
     ti_count_times_packed, TI_CORRECTED, "packed (T5); 16x in two bits, 4x in int8",
     "tern claims"},
    {weights, "less memory", "10-20x", FROM_TO(10000, 20000), "x", ti_count_times_packed,
     TI_REPRODUCED, "of the weights, when they are packed; of fp32, which nobody ships",
     "tern claims; tern model info"},
    {weights, "less compute", "10-20x", FROM_TO(10000, 20000), "", NULL, TI_REPRODUCED,
     "time of one product of 2,048 x 2,048 against the best fp32 kernel: 18.7 to 20.4 times; "
     "2.5 to 5.2 against int8; bytes are saved, the kernel multiplies (docs/performance.md)",
     "bench_smdr --part products"},
    {weights, "GPU 300 W, CPU 15 W", "20x", ONE(20000), "x", ti_count_gpu_to_cpu, TI_REFUTED,
     "the quotient is right, but it compares two chips and not two kinds of weights",
     "tern claims"},
    {weights, "multiplications that are left", "0", FROM_TO(0, 0), "thousand a token",
     ti_count_attention_products, TI_REFUTED,
     "attention multiplies activations (6 layers of 256, 512 positions); so do norms and "
     "scales",
     "tern claims"},
    {weights, "100M weights fit in the L3 cache", "yes", FROM_TO(0, 0), "MB",
     ti_count_mb_packed, TI_CORRECTED,
     "packed, in a cache of 32 MB; as the note keeps them, 100 MB, in few",
     "tern claims; tern doctor"},
    {weights, "the loop `match w { 1 => add, -1 => sub, _ => {} }`", "optimal assembly",
     FROM_TO(0, 0), "", NULL, TI_REFUTED,
     "branches on random weights are mispredicted: 37 times the time of the float32 kernel, "
     "608 "
     "times that of the ternary one (2,048 x 2,048)",
     "bench_smdr --part products"},

    {torus, "cells within radius 2", "12", ONE(12000), "cells", ti_count_ball, TI_CORRECTED,
     "pi r^2 is 12.6; there are 1 + 4 + 8 of them, the query's own included", "tern claims"},
    {torus, "full attention, 1,024 positions", "1,048,576 ops", ONE(1048576000), "pairs",
     ti_count_all_pairs, TI_REPRODUCED, "all pairs; a causal model needs 524,800",
     "tern claims"},
    {torus, "toroidal attention, 1,024 positions", "12,288 ops", ONE(12288000), "pairs",
     ti_count_ball_pairs, TI_CORRECTED, "13 cells for each query, if each cell is one position",
     "tern claims"},
    {torus, "fewer pairs, the published side of 12", "85x", ONE(85000), "x",
     ti_count_fewer_side12, TI_CORRECTED,
     "1,024 positions share 144 cells: each query sees 13 of every 144, and 85 / 12 are lost",
     "tern claims"},
    {torus, "fewer pairs, side 32", "85x", ONE(85000), "x", ti_count_fewer_side32, TI_CORRECTED,
     "a cell for each position, causal on both sides; the engine asks for such a side",
     "tern claims"},
    {torus, "less time, 1,024 positions", "85x", ONE(85000), "", NULL, TI_CORRECTED,
     "34 times with side 66 and radius 3, and 158 times at 4,096; a window of as many keys "
     "takes the same time (docs/performance.md)",
     "bench_smdr --part attention"},
    {torus, "growth from 1,024 to 2,048, side 12", "2x, O(n)", ONE(2000), "x",
     ti_count_growth_side12, TI_CORRECTED, "quadratic, as full attention is", "tern claims"},
    {torus, "growth from 1,024 to 2,048, sides 32 and 46", "2x, O(n)", ONE(2000), "x",
     ti_count_growth_root, TI_REPRODUCED, "a side of at least the root of the context",
     "tern claims"},
    {torus, "less attention compute", "2-5x", FROM_TO(2000, 5000), "x", ti_count_fewer_512,
     TI_CORRECTED,
     "pairs of 512 positions, side 12, if the kernel skips the others; the "
     "published code computes all of them",
     "tern claims"},
    {torus, "the same of a whole token", "2-5x", FROM_TO(2000, 5000), "x", ti_count_token_torus,
     TI_CORRECTED, "attention is 6 % of the small published shape; its head is 60 %",
     "tern claims"},
    {torus, "fewer hallucinations, fewer retries", "-", FROM_TO(0, 0), "", NULL, TI_UNMEASURED,
     "the published experiment has no causal mask: a random pattern that keeps the edge to the "
     "next token does as well, and a plain window better",
     ""},
    {torus, "what it costs in loss", "-", FROM_TO(0, 0), "", NULL, TI_CORRECTED,
     "against full attention it gains 0.045 bits/byte in float32 and 0.115 in ternary (1.2 M "
     "weights, 2 M tokens, 3 seeds); a window of as many keys gains 0.018 more, random keys "
     "lose 0.087 (docs/ablation.md)",
     "./dev train ablation ablation"},

    {sparse, "fewer operations at 2 % active, small shape", "20-50x", FROM_TO(20000, 50000),
     "x", ti_count_token_sparse_small, TI_CORRECTED,
     "of a whole token, skipping for free; 50x holds of the feed-forward alone", "tern claims"},
    {sparse, "fewer operations at 2 % active, large shape", "20-50x", FROM_TO(20000, 50000),
     "x", ti_count_token_sparse_large, TI_CORRECTED, "the feed-forward is 55 % of it",
     "tern claims"},
    {sparse, "less time of the feed-forward at 2 %", "20-50x", FROM_TO(20000, 50000), "", NULL,
     TI_CORRECTED,
     "3.4 times at 2,560 x 6,912, 1.9 times at 256 x 768: all gates are computed before the "
     "largest are known (docs/performance.md)",
     "bench_smdr --part feed-forward"},
    {sparse, "only 2 % of neurons compute", "2 %", ONE(2000), "", NULL, TI_CORRECTED,
     "the published code has no such thing; published networks keep 6 to 10 % at equal "
     "loss. Here 20, 10, 5 and 2 % cost 0.007, 0.012, 0.027 and 0.045 bits/byte (3 seeds), and "
     "all gates are computed to find the largest (docs/ablation.md)",
     "./dev train ablation ablation"},

    {stack, "product of the factors", "22,500x", ONE(22500000), "x", ti_count_product,
     TI_REPRODUCED,
     "10 x 15 x 3 x 25 x 2; the factors overlap and act on different parts of "
     "the work, and the last one is about a block chain",
     "tern claims"},
    {stack, "lower footprint", "100-500x", FROM_TO(100000, 500000), "x",
     ti_count_token_both_large, TI_CORRECTED,
     "no derivation; torus and 2 % together leave that many times fewer multiply-adds in the "
     "large shape. Measured with all three: 2.3 to 2.6 times less CPU time than float32 at "
     "equal size in small networks, 15 in tern-books; at equal loss 1.4 to 2.0, and at most "
     "3.8 "
     "(docs/ablation.md, docs/performance.md)",
     "tern claims"},
    {stack, "Rust instead of Python", "10-40x", FROM_TO(10000, 40000), "x",
     ti_count_python_to_rust, TI_REFUTED,
     "100 W / 3 W; watts belong to a machine and not to a language, and libraries called from "
     "Python are compiled",
     "tern claims"},
    {stack, "Substrate instead of the EVM", "2-3x", FROM_TO(2000, 3000), "", NULL,
     TI_UNMEASURED, "nothing beside it; it is no part of an inference", ""},
    {stack, "no GPU is required", "-", FROM_TO(0, 0), "", NULL, TI_REPRODUCED,
     "for models of a size that fits; nothing here uses one", "./dev run \"Once upon a time\""},
    {stack, "low-carbon computation is proved on chain", "-", FROM_TO(0, 0), "", NULL,
     TI_CORRECTED,
     "computing again proves the work; joules can only be attested by who has the meter",
     "tern verify; tern audit"},

    {machines, "H100: 700 W, 80 GB, over 30,000 dollars", "-", FROM_TO(0, 0), "", NULL,
     TI_UNMEASURED, "the maker's figures; no comparison here uses them", ""},
    {machines, "CPU: 15-65 W, 200 dollars, 16 GB of memory are enough", "16 GB",
     FROM_TO(0, 16000), "GB", NULL, TI_REPRODUCED,
     "of memory: a model of two billion ternary weights is under 1 GB; watts need a meter",
     "tern bench --synth 2b4t; tern meter list"},
    {machines, "a GPU answers at 300 W, continuously", "300 W", ONE(300000), "", NULL,
     TI_UNMEASURED, "a guess; cards draw their limit only under load", "tern meter -- COMMAND"},
    {machines, "a meter reading judged on a Cortex-M4, 10 ms at 0.1 W", "-", FROM_TO(0, 0),
     "mJ", ti_count_cortex_mj, TI_UNMEASURED,
     "that is 1 mJ; dense int8 networks of MLPerf Tiny took 0.16 to 0.63 mJ by a meter, a "
     "ternary one 0.10 to 0.11 mJ by a model (docs/edge.md)",
     "tern claims; sh edge/bench/cycles.sh OUT"},
    {machines, "the same in a cloud", "500 ms", ONE(500000), "", NULL, TI_UNMEASURED,
     "time is not energy; radio and sleep are left out", ""},
    {machines, "RTX 4090: idle 30-50 W, at most 450 W", "450 W", ONE(450000), "", NULL,
     TI_UNMEASURED, "no such card here; its counter is read where there is one",
     "tern meter list"},
    {machines, "Ryzen 7 7840HS, Radeon 780M, NPU: the lowest power", "-", FROM_TO(0, 0), "",
     NULL, TI_UNMEASURED, "no such machine here; on Windows its meters are read through EMI",
     "tern meter list"},
    {machines, "M3/M4 Max lead in intelligence per watt, 7B-30B at 4 bits", "-", FROM_TO(0, 0),
     "", NULL, TI_UNMEASURED, "no figure beside it", ""},
    {machines, "local at the sun's peak is the gold standard", "-", FROM_TO(0, 0), "", NULL,
     TI_UNMEASURED, "what waiting gains is known for some grids: docs/scheduling.md",
     "tern when; tern grid forecast"},

    {services, "snag schedules by the grid of Great Britain", "-", FROM_TO(0, 0), "", NULL,
     TI_UNMEASURED, "no public trace under that name", "tern when"},
    {services, "Grid Intensity CLI: intensity in real time", "-", FROM_TO(0, 0), "", NULL,
     TI_CORRECTED, "its default is a yearly figure of 2021, and it has no forecast",
     "tern grid sources"},
    {services, "Carbon Aware SDK with the Task Scheduler runs jobs", "-", FROM_TO(0, 0), "",
     NULL, TI_CORRECTED, "the SDK recommends a time; nothing in it starts a job", "tern when"},
    {services, "EcoServe adjusts models to the grid", "-", FROM_TO(0, 0), "", NULL,
     TI_UNMEASURED, "a paper (arXiv 2502.05043); no code for a laptop", ""},
    {services, "Green AI Cloud: CO2-negative", "-", FROM_TO(0, 0), "", NULL, TI_UNMEASURED,
     "no document with a PUE, a grid and a method was found", "tern footprint of --zone SE"},
    {services, "Exoscale: 100 % renewable", "100 %", ONE(100000), "", NULL, TI_UNMEASURED,
     "market-based at best: certificates, not the grid that the machines draw from",
     "tern footprint of --zone CH"},
    {services, "Akash providers can be filtered by their energy", "-", FROM_TO(0, 0), "", NULL,
     TI_CORRECTED, "a tag that the provider sets; nobody attests it", ""},
    {services, "Gensyn uses solar surplus of homes", "-", FROM_TO(0, 0), "", NULL,
     TI_UNMEASURED, "no sourced figure was found", ""},
    {services, "ISO/TC 307/AHG 4, carbon markets", "-", FROM_TO(0, 0), "", NULL, TI_UNMEASURED,
     "no public trace; there is a draft of ISO/TC 322 and IEEE 3218", ""},
    {services, "carbon credits from efficient inference", "-", FROM_TO(0, 0), "", NULL,
     TI_REFUTED, "energy that is not used, against a baseline of one's choice, is no credit",
     ""},

    {elsewhere, "six results of EcoLogits v0.9", "-", FROM_TO(0, 0), "", NULL, TI_REPRODUCED,
     "400 tokens, PUE 1.2, 0.59 kg/kWh: energy, grams and embodied grams to 5 digits",
     "ctest -R carbon_remote"},
    {elsewhere, "local is greener", "-", FROM_TO(0, 0), "", NULL, TI_UNMEASURED,
     "must be computed for each pair; the range of the remote one is a hundredfold",
     "tern footprint remote --zone B"},
};

const size_t ti_n_claims = sizeof ti_claims / sizeof ti_claims[0];

bool ti_claim_stands(ti_verdict verdict, uint64_t low_milli, uint64_t high_milli,
                     uint64_t milli)
{
    if (high_milli == 0) {
        return true;
    }
    double low = (double)low_milli, high = (double)high_milli, is = (double)milli;
    switch (verdict) {
    case TI_REPRODUCED:
        return is >= low * 0.97 && is <= high * 1.03;
    case TI_CORRECTED:
        return is < low * 0.999 || is > high * 1.001;
    case TI_REFUTED:
    case TI_UNMEASURED:
        break;
    }
    return true;
}
