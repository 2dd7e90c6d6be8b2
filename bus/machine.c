/* The few system calls behind the bus's threads; failing ones that cannot be survived abort with a message.
 */

#include "bus/machine.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static void die(const char *what)
{
    (void)fprintf(stderr, "bus: %s\n", what);
    abort();
}

static int64_t read_clock(clockid_t clock)
{
    struct timespec now = {0};

    if (clock_gettime(clock, &now) != 0)
        die("no clock");
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t machine_now_us(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

int64_t machine_unix_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

void machine_random(void *bytes, size_t size)
{
    /* Up to 256 bytes are never cut short by a signal (getrandom(2)). */
    if (size > 256 || getrandom(bytes, size, 0) != (ssize_t)size)
        die("no random bytes");
}

double machine_uniform(void)
{
    uint32_t bits;

    machine_random(&bits, sizeof(bits));
    return bits / 4294967296.0;
}

void machine_block_signals(void)
{
    sigset_t all;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, NULL);
}

void *machine_alloc(size_t size)
{
    void *memory = calloc(1, size > 0 ? size : 1);

    if (memory == NULL)
        die("out of memory");
    return memory;
}

void *machine_grow(void *memory, size_t size)
{
    void *grown = realloc(memory, size > 0 ? size : 1);

    if (grown == NULL)
        die("out of memory");
    return grown;
}

char *machine_copy(const char *text)
{
    size_t size = text != NULL ? strlen(text) + 1 : 0;

    return text != NULL ? memcpy(machine_alloc(size), text, size) : NULL;
}

void machine_free_copy(const char *text)
{
    union {
        const char *borrowed;
        char *owned;
    } both = {.borrowed = text};

    free(both.owned);
}
