/* SPDX-License-Identifier: Apache-2.0 */
/* Semihosting for Thumb: "Semihosting for AArch32 and AArch64", ARM: the number of the
 * operation in r0, its parameters' address in r1, breakpoint 0xAB, the result in r0. */
#include "board.h"

enum {
    SYS_OPEN = 0x01,
    SYS_WRITE0 = 0x04,
    SYS_READ = 0x06,
    SYS_EXIT_EXTENDED = 0x20,
    ADP_STOPPED_APPLICATION_EXIT = 0x20026
};

static int32_t call(uint32_t operation, const void *parameters)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = parameters;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
}

void board_write(const char *text)
{
    call(SYS_WRITE0, text);
}

int32_t board_open(const char *name)
{
    size_t length = 0;
    while (name[length] != '\0') {
        length++;
    }
    const uintptr_t parameters[3] = {(uintptr_t)name, 0 /* "r" */, length};
    return call(SYS_OPEN, parameters);
}

size_t board_read(int32_t file, char *data, size_t size)
{
    const uintptr_t parameters[3] = {(uintptr_t)file, (uintptr_t)data, size};
    const int32_t not_read = call(SYS_READ, parameters);
    return not_read < 0 || (size_t)not_read > size ? 0 : size - (size_t)not_read;
}

_Noreturn void board_exit(int status)
{
    const uintptr_t parameters[2] = {ADP_STOPPED_APPLICATION_EXIT, (uintptr_t)status};
    call(SYS_EXIT_EXTENDED, parameters);
    for (;;) {
    }
}

void board_write_u32(uint32_t value)
{
    char text[11];
    size_t at = sizeof text - 1;
    text[at] = '\0';
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    board_write(&text[at]);
}

void board_write_i32(int32_t value)
{
    if (value < 0) {
        board_write("-");
    }
    board_write_u32(value < 0 ? -(uint32_t)value : (uint32_t)value);
}

extern uint32_t link_bss_end[];
#define PATTERN 0x5a17e57cu

static uint32_t *stack_pointer(void)
{
    uint32_t *sp;
    __asm__ volatile("mov %0, sp" : "=r"(sp));
    return sp;
}

__attribute__((noinline)) void board_stack_paint(void)
{
    volatile uint32_t *end = stack_pointer();
    for (volatile uint32_t *p = link_bss_end; p < end; p++) {
        *p = PATTERN;
    }
}

__attribute__((noinline)) size_t board_stack_used(void)
{
    const volatile uint32_t *end = stack_pointer();
    const volatile uint32_t *p = link_bss_end;
    while (p < end && *p == PATTERN) {
        p++;
    }
    return (size_t)((uintptr_t)end - (uintptr_t)p);
}
