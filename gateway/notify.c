/*
 * notify - see notify.h.
 */

#include "gateway/notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/base/str.h"

enum {
    STATUS_BYTES = 384,
    MESSAGE_BYTES = 512
};

struct notify {
    int fd;
    struct sockaddr_un address;
    socklen_t address_size;
    int64_t watchdog_ms; /* 0: none */
    int64_t alive_at_ms; /* when the next sign of life is due */
};

/* A path, or with an @ a name of the kernel's own (unix(7), "abstract"). */
static bool take_address(struct notify *notify, const char *text)
{
    size_t length = strlen(text);

    if ((text[0] != '/' && text[0] != '@') || length >= sizeof(notify->address.sun_path))
        return false;
    notify->address.sun_family = AF_UNIX;
    memcpy(notify->address.sun_path, text, length);
    if (text[0] == '@')
        notify->address.sun_path[0] = '\0';
    notify->address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return true;
}

static int64_t number_of(const char *variable)
{
    const char *text = getenv(variable);
    int64_t number = 0;

    return text != NULL && str_to_int(str_of(text), &number) && number > 0 ? number : 0;
}

/* A variable may have been inherited from somebody whom it was meant for. */
static int64_t find_watchdog_ms(void)
{
    int64_t pid = number_of("WATCHDOG_PID");

    return pid == 0 || pid == getpid() ? number_of("WATCHDOG_USEC") / 1000 / 2 : 0;
}

struct notify *notify_open(void)
{
    const char *text = getenv("NOTIFY_SOCKET");
    struct notify notify = {.fd = -1};

    if (text == NULL || !take_address(&notify, text))
        return NULL;
    notify.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (notify.fd < 0)
        return NULL;
    notify.watchdog_ms = find_watchdog_ms();
    struct notify *made = mem_zalloc(sizeof(*made));
    *made = notify;
    return made;
}

void notify_close(struct notify *notify)
{
    if (notify == NULL)
        return;
    close(notify->fd);
    free(notify);
}

static void PRINTF_LIKE(2, 3) say(const struct notify *notify, const char *format, ...)
{
    char message[MESSAGE_BYTES];
    va_list args;

    if (notify == NULL)
        return;
    va_start(args, format);
    int length = vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    size_t size = (size_t)length < sizeof(message) ? (size_t)length : sizeof(message) - 1;
    (void)sendto(notify->fd, message, size, MSG_NOSIGNAL, (const struct sockaddr *)&notify->address,
                 notify->address_size);
}

/* One line: what follows a line's end would be an assignment of its own. */
static void PRINTF_LIKE(2, 0) write_status(char status[STATUS_BYTES], const char *format, va_list args)
{
    (void)vsnprintf(status, STATUS_BYTES, format, args);
    for (char *at = strchr(status, '\n'); at != NULL; at = strchr(at, '\n'))
        *at = ' ';
}

/* The process is named each time: after a step into the background it is not the one that was started. */
void notify_ready(struct notify *notify, const char *format, ...)
{
    char status[STATUS_BYTES];
    va_list args;

    va_start(args, format);
    write_status(status, format, args);
    va_end(args);
    say(notify, "READY=1\nMAINPID=%d\nSTATUS=%s", (int)getpid(), status);
}

/* The time, of CLOCK_MONOTONIC, tells systemd which of its orders this is the answer to. */
void notify_reloading(struct notify *notify, const char *status)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    say(notify, "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=%s",
        (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000, status);
}

void notify_stopping(struct notify *notify, const char *status)
{
    say(notify, "STOPPING=1\nSTATUS=%s", status);
}

void notify_status(struct notify *notify, const char *format, ...)
{
    char status[STATUS_BYTES];
    va_list args;

    va_start(args, format);
    write_status(status, format, args);
    va_end(args);
    say(notify, "STATUS=%s", status);
}

int64_t notify_watchdog_ms(const struct notify *notify)
{
    return notify != NULL ? notify->watchdog_ms : 0;
}

void notify_alive(struct notify *notify, int64_t now_ms)
{
    if (notify_watchdog_ms(notify) == 0 || now_ms < notify->alive_at_ms)
        return;
    notify->alive_at_ms = now_ms + notify->watchdog_ms;
    say(notify, "WATCHDOG=1");
}
