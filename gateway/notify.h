#pragma once

/*
 * notify - tells who has started the process how it is: datagrams to the socket that NOTIFY_SOCKET names, as
 * systemd takes them (sd_notify(3)). Where nobody has asked for it, nothing is sent.
 *
 * A message that cannot be sent at once is lost, and no error: the process must not wait for its observer.
 * The state of a service is repeated with every change, the watchdog's sign comes again.
 *
 * Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/attributes.h"

struct notify;

/* By the environment, which stays as it is: an upgraded program is told the same. NULL: nobody has asked. */
struct notify *notify_open(void);
void notify_close(struct notify *notify);

/* All take NULL for "nobody". The text, one line, is what `systemctl status` shows. */
void notify_ready(struct notify *notify, const char *format, ...) PRINTF_LIKE(2, 3);
/* It takes other settings, or another program; notify_ready() must follow. */
void notify_reloading(struct notify *notify, const char *status);
void notify_stopping(struct notify *notify, const char *status);
void notify_status(struct notify *notify, const char *format, ...) PRINTF_LIKE(2, 3);

/* How often a sign of life is due, half of WATCHDOG_USEC; 0: none is wanted. */
int64_t notify_watchdog_ms(const struct notify *notify);
/* All is well; sent if it is due. Time as clock_now_ms() has it. */
void notify_alive(struct notify *notify, int64_t now_ms);
