/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instructions of CMSIS-NN's arm_fully_connected_s8 over the layers of the network ad01, for
 * ../cmsis-nn.sh, which compiles it with a checkout of that library.  Layers, inputs and the
 * way of counting are those of bench.c; weights are random int8, as that library takes them.
 */
#include "ad01.h"
#include "arm_nnfunctions.h"
#include "board.h"

enum { MOST = 640 * 128, WIDTH = 640, LAYERS = AD01_LAYERS };

static const uint16_t widths[LAYERS + 1] = {640, 128, 128, 128, 128, 8,
                                            128, 128, 128, 128, 640};

static int8_t weights[MOST], buffers[2][WIDTH];
static int32_t bias[WIDTH];
static uint32_t overhead;

/* The library may call it for what the compiler does not put into place. */
void *memcpy(void *to, const void *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ((volatile char *)to)[i] = ((const char *)from)[i];
    }
    return to;
}

/* Not inlined: so the instructions around the call are the same every time. */
__attribute__((noinline)) static uint32_t count_layer(const int8_t *in, int8_t *out,
                                                      int32_t n_in, int32_t n_out)
{
    /* Inputs have -128 for zero, as after a ReLU; a sum is divided by 4096. */
    const cmsis_nn_context context = {NULL, 0};
    const cmsis_nn_fc_params params = {
        .input_offset = 128, .output_offset = -128, .activation = {-128, 127}};
    const cmsis_nn_per_tensor_quant_params scale = {.multiplier = 0x40000000, .shift = -11};
    const cmsis_nn_dims in_dims = {1, 1, 1, n_in}, filter = {n_in, 1, 1, n_out},
                        bias_dims = {1, 1, 1, n_out}, out_dims = {1, 1, 1, n_out};
    const uint32_t from = board_count();
    const arm_cmsis_nn_status status =
        arm_fully_connected_s8(&context, &params, &scale, &in_dims, in, &filter, weights,
                               &bias_dims, bias, &out_dims, out);
    const uint32_t count = board_count() - from - overhead;
    if (status != ARM_CMSIS_NN_SUCCESS) {
        board_write("the library refuses the layer\n");
        board_exit(1);
    }
    return count;
}

/* The sums once more, plainly: their rounding may differ by one. */
static void check(const int8_t *in, const int8_t *out, int32_t n_in, int32_t n_out)
{
    for (int32_t row = 0; row < n_out; row++) {
        int32_t sum = bias[row];
        for (int32_t i = 0; i < n_in; i++) {
            sum += weights[row * n_in + i] * (in[i] + 128);
        }
        const int32_t want = sum / 4096 - 128;
        const int32_t cut = want < -128 ? -128 : want > 127 ? 127 : want;
        if (out[row] - cut > 1 || cut - out[row] > 1) {
            board_write("a wrong sum\n");
            board_exit(1);
        }
    }
}

int main(void)
{
    struct seeded seeded = {4711};
    uint32_t total = 0, macs = 0;
    board_count_start();
    const uint32_t begin = board_count();
    overhead = board_count() - begin;
    for (uint32_t i = 0; i < WIDTH; i++) {
        buffers[0][i] = (int8_t)((int32_t)(seeded_next(&seeded) & 255) - 128);
    }
    for (uint32_t k = 0; k < LAYERS; k++) {
        const int32_t n_in = widths[k], n_out = widths[k + 1];
        for (int32_t i = 0; i < n_in * n_out; i++) {
            weights[i] = (int8_t)((int32_t)(seeded_next(&seeded) & 255) - 128);
        }
        for (int32_t i = 0; i < n_out; i++) {
            bias[i] = (int32_t)(seeded_next(&seeded) & 0xffff);
        }
        total += count_layer(buffers[k & 1], buffers[~k & 1], n_in, n_out);
        check(buffers[k & 1], buffers[~k & 1], n_in, n_out);
        macs += (uint32_t)(n_in * n_out);
    }
    board_write("macs ");
    board_write_u32(macs);
    board_write("\ninstructions ");
    board_write_u32(total);
    board_write("\n");
    return 0;
}
