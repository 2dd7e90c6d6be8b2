/*
 * delivery_http - see delivery_http.h. The one file of a node that knows libcurl: its multi handle belongs to
 * the delivery thread, which also waits in it; a sender keeps an easy handle per lane, with all that does not
 * change set once.
 */

#include "gateway/chain/delivery_http.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "gateway/base/mem.h"
#include "gateway/chain/delivery_inside.h"
#include "gateway/io/loop.h"

enum {
    USUAL_TIMEOUT_MS = 60000,
    USUAL_KEEPALIVE_MS = 60000,
    WATCHES_MAX = 1024,    /* looked at in one wait; the rest the next time */
    CONNECTIONS_MAX = 256, /* kept idle, of all sinks */
    ACCEPTED_BELOW = 300,
};

/* One lane of a sender. */
struct transfer {
    struct transfer *next; /* of those that are idle */
    struct http_sender *sender;
    CURL *easy;
    struct delivery_batch *batch; /* NULL: idle */
    struct delivery *delivery;
    struct buf body; /* of a batch that is not one bare entry */
    char trouble[CURL_ERROR_SIZE];
};

struct http_sender {
    struct delivery_sender super;
    char *url, *method;
    struct curl_slist *headers;
    int64_t timeout_ms, keepalive_ms;
    struct delivery_frame frame;
    struct transfer *idle;
};

/* ---- one request ---- */

static size_t ignore_body(char *bytes, size_t size, size_t count, void *arg)
{
    (void)bytes;
    (void)arg;
    return size * count;
}

static void set_up(const struct http_sender *sender, struct transfer *transfer)
{
    CURL *easy = transfer->easy;

    /* Each of them fails only for want of memory, or if this libcurl lacks it; what then goes wrong is told
     * when it is tried. */
    (void)curl_easy_setopt(easy, CURLOPT_URL, sender->url);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, sender->method);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, sender->headers);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "freshet/" FRESHET_VERSION);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)sender->timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)sender->timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)((sender->keepalive_ms + 999) / 1000));
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever the environment says */
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* nobody waits for a name that is not found */
    (void)curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore_body);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->trouble);
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
}

static struct transfer *take_transfer(struct http_sender *sender)
{
    struct transfer *transfer = sender->idle;

    if (transfer != NULL) {
        sender->idle = transfer->next;
        return transfer;
    }
    transfer = mem_zalloc(sizeof(*transfer));
    transfer->sender = sender;
    transfer->easy = curl_easy_init();
    if (transfer->easy != NULL)
        set_up(sender, transfer);
    return transfer;
}

static void rest(struct transfer *transfer)
{
    transfer->batch = NULL;
    buf_clear(&transfer->body);
    transfer->next = transfer->sender->idle;
    transfer->sender->idle = transfer;
}

static bool is_bare(const struct delivery_frame *frame, const struct delivery_batch *batch)
{
    return batch->count == 1 && frame->before.len == 0 && frame->after.len == 0;
}

static struct str make_body(struct transfer *transfer, const struct delivery_batch *batch)
{
    const struct delivery_frame *frame = &transfer->sender->frame;

    if (is_bare(frame, batch))
        return (struct str){batch->first->bytes, batch->first->len};
    (void)buf_reserve(&transfer->body, batch->bytes + batch->count * frame->between.len + frame->before.len +
                                           frame->after.len);
    buf_add_str(&transfer->body, frame->before);
    for (const struct delivery_entry *entry = batch->first; entry != NULL; entry = entry->next) {
        if (entry != batch->first)
            buf_add_str(&transfer->body, frame->between);
        buf_add(&transfer->body, entry->bytes, entry->len);
    }
    buf_add_str(&transfer->body, frame->after);
    return buf_str(&transfer->body);
}

static void send_batch(struct delivery_sender *super, struct delivery *delivery, struct delivery_batch *batch)
{
    struct transfer *transfer = take_transfer(CONTAINER_OF(super, struct http_sender, super));
    struct str body = make_body(transfer, batch);

    transfer->batch = batch;
    transfer->delivery = delivery;
    transfer->trouble[0] = '\0';
    batch->state = transfer;
    if (transfer->easy == NULL ||
        curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len) != CURLE_OK ||
        curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, body.at) != CURLE_OK ||
        curl_multi_add_handle(delivery->multi, transfer->easy) != CURLM_OK) {
        rest(transfer);
        delivery_batch_done(batch, DELIVERY_FAILED, "libcurl refuses");
    }
}

static void cancel(struct delivery_sender *super, struct delivery_batch *batch)
{
    struct transfer *transfer = batch->state;

    (void)super;
    (void)curl_multi_remove_handle(transfer->delivery->multi, transfer->easy);
    rest(transfer);
}

static void free_sender(struct delivery_sender *super)
{
    struct http_sender *sender = CONTAINER_OF(super, struct http_sender, super);

    while (sender->idle != NULL) {
        struct transfer *transfer = sender->idle;
        sender->idle = transfer->next;
        curl_easy_cleanup(transfer->easy);
        buf_fini(&transfer->body);
        free(transfer);
    }
    curl_slist_free_all(sender->headers);
    free(sender->url);
    free(sender->method);
    free(sender);
}

struct delivery_sender *delivery_http_new(const struct delivery_http_options *options)
{
    struct http_sender *sender = mem_zalloc(sizeof(*sender));

    *sender = (struct http_sender){
        .super = {.send = send_batch, .cancel = cancel, .free = free_sender},
        .url = mem_strdup(options->url),
        .method = mem_strdup(options->method),
        .timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : USUAL_TIMEOUT_MS,
        .keepalive_ms = options->keepalive_ms > 0 ? options->keepalive_ms : USUAL_KEEPALIVE_MS,
        .frame = options->frame,
    };
    for (size_t i = 0; i < options->header_count; i++)
        sender->headers = curl_slist_append(sender->headers, options->headers[i]);
    sender->headers = curl_slist_append(sender->headers, "Expect:"); /* no 100 is waited for */
    return &sender->super;
}

/* ---- all of them ---- */

void *delivery_http_open(void)
{
    CURLM *multi = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_multi_init() : NULL;

    assert(multi != NULL); /* as with any allocation */
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX);
    return multi;
}

void delivery_http_close(void *multi)
{
    (void)curl_multi_cleanup(multi);
    curl_global_cleanup();
}

void delivery_http_wake(void *multi)
{
    (void)curl_multi_wakeup(multi);
}

static void end_transfer(struct delivery *delivery, CURL *easy, CURLcode result)
{
    struct transfer *transfer = NULL;
    long status = 0;
    char why[DELIVERY_WHY_MAX];

    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_multi_remove_handle(delivery->multi, easy);
    struct delivery_batch *batch = transfer->batch;
    if (result != CURLE_OK)
        (void)snprintf(why, sizeof(why), "%s",
                       transfer->trouble[0] != '\0' ? transfer->trouble : curl_easy_strerror(result));
    else
        (void)snprintf(why, sizeof(why), "status %ld", status);
    rest(transfer);
    bool is_accepted = result == CURLE_OK && status < ACCEPTED_BELOW;
    delivery_batch_done(batch, is_accepted ? DELIVERY_DONE : DELIVERY_FAILED, is_accepted ? NULL : why);
}

/* Returns how many have ended. */
static int run_transfers(struct delivery *delivery)
{
    const struct CURLMsg *message;
    int running;
    int left;
    int ended = 0;

    (void)curl_multi_perform(delivery->multi, &running);
    while ((message = curl_multi_info_read(delivery->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        end_transfer(delivery, message->easy_handle, message->data.result);
        ended++;
    }
    return ended;
}

static unsigned list_watches(const struct delivery *delivery, struct curl_waitfd list[WATCHES_MAX],
                             struct delivery_watch *watches[WATCHES_MAX], int64_t *until_us)
{
    unsigned count = 0;

    for (struct delivery_watch *watch = delivery->watches; watch != NULL && count < WATCHES_MAX;
         watch = watch->next) {
        if (watch->until_us != 0 && watch->until_us < *until_us)
            *until_us = watch->until_us;
        if (watch->fd < 0 || watch->events == 0)
            continue;
        watches[count] = watch;
        list[count] =
            (struct curl_waitfd){.fd = watch->fd,
                                 .events = (short)(((watch->events & POLLIN) != 0 ? CURL_WAIT_POLLIN : 0) |
                                                   ((watch->events & POLLOUT) != 0 ? CURL_WAIT_POLLOUT : 0))};
        count++;
    }
    return count;
}

void delivery_http_wait(struct delivery *delivery, int64_t until_us)
{
    struct curl_waitfd list[WATCHES_MAX];
    struct delivery_watch *watches[WATCHES_MAX];
    unsigned count = list_watches(delivery, list, watches, &until_us);

    if (run_transfers(delivery) > 0)
        until_us = 0; /* their queues have something to do */
    int64_t left_us = until_us - loop_clock_us();
    int left_ms = left_us > 0 ? (int)((left_us + 999) / 1000) : 0;
    (void)curl_multi_poll(delivery->multi, list, count, left_ms, NULL);
    for (unsigned i = 0; i < count; i++)
        watches[i]->got = (short)(((list[i].revents & CURL_WAIT_POLLIN) != 0 ? POLLIN : 0) |
                                  ((list[i].revents & CURL_WAIT_POLLOUT) != 0 ? POLLOUT : 0));
    (void)run_transfers(delivery);
}
