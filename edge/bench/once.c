/* SPDX-License-Identifier: Apache-2.0 */
/* The network ad01 once, for cycles.sh to look at every instruction of it. */
#include "ad01.h"
#include "board.h"

int main(void)
{
    static uint8_t codes[AD01_CODES];
    static int16_t bias[AD01_BIASES];
    static struct tern_edge_layer layers[AD01_LAYERS];
    static int8_t in[640], out[640];
    static uint32_t scratch[640];
    struct seeded seeded = {4711};
    make_ad01(layers, codes, bias);
    for (uint32_t i = 0; i < 640; i++) {
        in[i] = (int8_t)((int32_t)(seeded_next(&seeded) & 255) - 128);
    }
    const struct tern_edge_net net = {layers, AD01_LAYERS};
    tern_edge_net_run(&net, in, out, NULL, scratch);
    return 0;
}
