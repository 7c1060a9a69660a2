/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A firmware for an STM32F405 (RM0090) and its relatives: lines "seconds,value" come in at
 * USART2 (PA3), "seconds status score threshold" go out (PA2), 115200 baud, after a line
 * "# ready": what was sent before it is lost.  Replace the lines by what your meter has; the
 * detector is the three lines in answer().
 */
#include "board.h"
#include "readings.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define RCC_AHB1ENR REGISTER(0x40023830u)
#define RCC_APB1ENR REGISTER(0x40023840u)
#define GPIOA_MODER REGISTER(0x40020000u)
#define GPIOA_AFRL REGISTER(0x40020020u)
#define USART2_SR REGISTER(0x40004400u)
#define USART2_DR REGISTER(0x40004404u)
#define USART2_BRR REGISTER(0x40004408u)
#define USART2_CR1 REGISTER(0x4000440cu)

static struct tern_edge_meter meter;

static void serial_init(void)
{
    RCC_AHB1ENR |= 1u << 0;                          /* GPIOA */
    RCC_APB1ENR |= 1u << 17;                         /* USART2 */
    GPIOA_MODER = (GPIOA_MODER & ~0xf0u) | 0xa0u;    /* PA2, PA3: alternate function */
    GPIOA_AFRL = (GPIOA_AFRL & ~0xff00u) | 0x7700u;  /* 7: USART2 */
    USART2_BRR = 139;                                /* 16 MHz (HSI, after reset) / 115200 */
    USART2_CR1 = (1u << 13) | (1u << 3) | (1u << 2); /* on, send, receive */
}

void board_write(const char *text)
{
    for (; *text != '\0'; text++) {
        while ((USART2_SR & (1u << 7)) == 0) {
        }
        USART2_DR = (uint8_t)*text;
    }
}

_Noreturn void board_exit(int status)
{
    (void)status;
    for (;;) {
        __asm__ volatile("wfi");
    }
}

static char serial_read(void)
{
    while ((USART2_SR & (1u << 5)) == 0) {
    }
    return (char)USART2_DR;
}

static void answer(const char *line)
{
    struct tern_edge_result result;
    char text[READINGS_LINE];
    uint32_t time;
    int32_t value;
    if (readings_parse(line, &time, &value)) {
        tern_edge_meter_step(&meter, time, value, &result);
        readings_format(text, time, &result);
        board_write(text);
        board_write("\n");
    }
}

int main(void)
{
    char line[READINGS_LINE];
    size_t length = 0;
    serial_init();
    if (!tern_edge_meter_init(&meter, &readings_config, NULL, NULL, NULL)) {
        return 70;
    }
    board_write("# ready\n");
    for (;;) {
        const char c = serial_read();
        if (c != '\n') {
            line[length < sizeof line ? length++ : 0] = c;
            continue;
        }
        line[length < sizeof line ? length : 0] = '\0';
        length = 0;
        answer(line);
    }
}
