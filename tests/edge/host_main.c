/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "edge_tests.h"

void edge_write(const char *text)
{
    fputs(text, stdout);
}

int main(void)
{
    return edge_tests() != 0;
}
