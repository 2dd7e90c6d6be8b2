/*
 * spool - takes libh2o's growth of buffers out of service.
 *
 * libh2o, too, moves a buffer that has become large to a temporary file. When that fails it closes the
 * connection, and prints a line each time. But it asks for room through an exported name, as it does for its
 * decoder of chunks (request_chunks.c), so the function of that name here is the one in force. Layout and
 * release of a buffer stay the library's: below 0 and not -1, the descriptor of a buffer means "unmap me" to
 * it, and "lost" to us.
 *
 * The file is allocated before it is mapped: a full disk is an error here, not a SIGBUS in the middle of a
 * read. A lost buffer is memory whose pages are given back each time there is more; no more than its start
 * and what one read brought is ever held.
 */

#include "gateway/http/spool.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/io/loop.h"

enum {
    FROM_BYTES = 32 * 1024 * 1024,
    KEPT_BYTES = 1024 * 1024, /* of a lost buffer: more than the largest head that libh2o reads */
    IN_MEMORY = -1,           /* descriptors that are none */
    LOST = -2,
    LOG_EVERY_US = 1000 * 1000,
};

/* One for each thread: the library's function has no place for it among its parameters. */
static __thread struct {
    struct spool_listener *listeners;
    int64_t logged_us;
    uint64_t unlogged;
} here;

static size_t mapped_size(size_t capacity)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (offsetof(h2o_buffer_t, _buf) + capacity + page - 1) / page * page; /* as it will be unmapped */
}

static h2o_iovec_t room_of(h2o_buffer_t *buffer)
{
    char *end = buffer->bytes + buffer->size;

    return h2o_iovec_init(end, (size_t)(buffer->_buf + buffer->capacity - end));
}

static void say_lost(int why)
{
    int64_t now_us = loop_clock_us();

    here.unlogged++;
    if (here.logged_us != 0 && now_us - here.logged_us < LOG_EVERY_US)
        return;
    log_error("http: a request's body cannot be kept in a file; error=\"%s\" count=%" PRIu64, strerror(why),
              here.unlogged);
    here.logged_us = now_us;
    here.unlogged = 0;
}

/* The content moves from *slot to `to`, which has room for it. */
static void settle(h2o_buffer_t **slot, h2o_buffer_t *to, size_t capacity, int fd)
{
    h2o_buffer_t *from = *slot;
    size_t kept = fd == LOST && from->size > KEPT_BYTES ? KEPT_BYTES : from->size;

    to->size = from->size;
    to->bytes = to->_buf;
    to->capacity = capacity;
    to->_prototype = from->_prototype;
    to->_fd = fd;
    memcpy(to->_buf, from->bytes, kept);
    h2o_buffer__do_free(from);
    *slot = to;
}

/* ---- files ---- */

static int make_file(const char *template)
{
    char path[FILENAME_MAX];

    (void)snprintf(path, sizeof(path), "%s", template);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(path); /* nobody else could have taken it away */
    return fd;
}

static bool map_file(int fd, size_t capacity, h2o_buffer_t **mapped)
{
    int failure;

    do
        failure = posix_fallocate(fd, 0, (off_t)mapped_size(capacity));
    while (failure == EINTR);
    errno = failure;
    if (failure != 0)
        return false;
    void *memory = mmap(NULL, mapped_size(capacity), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return false;
    *mapped = memory;
    return true;
}

static bool move_to_file(h2o_buffer_t **slot, size_t capacity)
{
    int fd = make_file((*slot)->_prototype->mmap_settings->fn_template);
    h2o_buffer_t *mapped;

    if (fd < 0)
        return false;
    if (!map_file(fd, capacity, &mapped)) {
        int why = errno;

        (void)close(fd);
        errno = why;
        return false;
    }
    settle(slot, mapped, capacity, fd);
    return true;
}

static bool grow_file(h2o_buffer_t **slot, size_t capacity)
{
    h2o_buffer_t *before = *slot;
    size_t offset = (size_t)(before->bytes - before->_buf);
    h2o_buffer_t *mapped;

    if (!map_file(before->_fd, capacity, &mapped))
        return false;
    (void)munmap(before, mapped_size(before->capacity));
    mapped->bytes = mapped->_buf + offset;
    mapped->capacity = capacity;
    *slot = mapped;
    return true;
}

/* ---- lost ones ---- */

static void lose(h2o_buffer_t **slot, size_t capacity, int why)
{
    void *memory = mmap(NULL, mapped_size(capacity), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    say_lost(why);
    if (memory == MAP_FAILED)
        return; /* libh2o closes the connection */
    settle(slot, memory, capacity, LOST);
    for (struct spool_listener *at = here.listeners; at != NULL; at = at->next)
        at->on_lost(at);
}

static void forget(h2o_buffer_t *buffer)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t end = (size_t)(buffer->bytes - (char *)buffer) + buffer->size;

    if (end / page * page > 2 * (size_t)KEPT_BYTES)
        (void)madvise((char *)buffer + 2 * (size_t)KEPT_BYTES, end / page * page - 2 * (size_t)KEPT_BYTES,
                      MADV_DONTNEED); /* at worst it stays */
}

static void grow_lost(h2o_buffer_t **slot, size_t capacity)
{
    h2o_buffer_t *before = *slot;
    size_t offset = (size_t)(before->bytes - before->_buf);
    void *memory = mremap(before, mapped_size(before->capacity), mapped_size(capacity), MREMAP_MAYMOVE);

    if (memory == MAP_FAILED)
        return;
    *slot = memory;
    (*slot)->bytes = (*slot)->_buf + offset;
    (*slot)->capacity = capacity;
}

/* ---- growth ---- */

static h2o_buffer_t *first_buffer(h2o_buffer_t *prototype_buffer, size_t least)
{
    h2o_buffer_prototype_t *prototype =
        H2O_STRUCT_FROM_MEMBER(h2o_buffer_prototype_t, _initial_buf, prototype_buffer);
    size_t usual = prototype->_initial_buf.capacity;
    size_t capacity = least > usual ? least : usual;
    size_t size = offsetof(h2o_buffer_t, _buf) + capacity;
    h2o_buffer_t *made =
        capacity == usual ? h2o_mem_alloc_recycle(&prototype->allocator, size) : h2o_mem_alloc(size);

    made->size = 0;
    made->bytes = made->_buf;
    made->capacity = capacity;
    made->_prototype = prototype;
    made->_fd = IN_MEMORY;
    return made;
}

static void grow(h2o_buffer_t **slot, size_t capacity)
{
    h2o_buffer_t *buffer = *slot;
    const h2o_buffer_mmap_settings_t *settings = buffer->_prototype->mmap_settings;

    if (buffer->_fd == LOST) {
        grow_lost(slot, capacity);
    } else if (buffer->_fd >= 0) {
        if (!grow_file(slot, capacity))
            lose(slot, capacity, errno);
    } else if (settings != NULL && capacity >= settings->threshold) {
        if (!move_to_file(slot, capacity))
            lose(slot, capacity, errno);
    } else {
        settle(slot, h2o_mem_alloc(offsetof(h2o_buffer_t, _buf) + capacity), capacity, IN_MEMORY);
    }
}

/* base NULL: there is none. Twice the size each time, unless what was consumed at the start is room enough.
 */
__attribute__((visibility("default"))) h2o_iovec_t h2o_buffer_reserve(h2o_buffer_t **slot, size_t least)
{
    h2o_buffer_t *buffer = *slot;

    if (buffer->bytes == NULL) {
        *slot = first_buffer(buffer, least);
        return room_of(*slot);
    }
    if (buffer->_fd == LOST)
        forget(buffer);
    if (room_of(buffer).len >= least)
        return room_of(buffer);
    if ((buffer->size + least) * 2 <= buffer->capacity) {
        memmove(buffer->_buf, buffer->bytes, buffer->size);
        buffer->bytes = buffer->_buf;
        return room_of(buffer);
    }
    size_t capacity = buffer->capacity;
    while (capacity - buffer->size < least)
        capacity *= 2;
    grow(slot, capacity == buffer->capacity ? 2 * capacity : capacity);
    return room_of(*slot).len >= least ? room_of(*slot) : h2o_iovec_init(NULL, 0);
}

/* ---- who asks ---- */

void spool_join(struct spool_listener *listener)
{
    listener->next = here.listeners;
    here.listeners = listener;
}

void spool_leave(struct spool_listener *listener)
{
    for (struct spool_listener **at = &here.listeners; *at != NULL; at = &(*at)->next)
        if (*at == listener) {
            *at = listener->next;
            return;
        }
}

void spool_use(const char *directory)
{
    h2o_socket_buffer_mmap_settings.threshold = FROM_BYTES;
    (void)snprintf(h2o_socket_buffer_mmap_settings.fn_template,
                   sizeof(h2o_socket_buffer_mmap_settings.fn_template), "%s/body.XXXXXX", directory);
}

bool spool_is_lost(const h2o_buffer_t *buffer)
{
    return buffer->bytes != NULL && buffer->_fd == LOST;
}

bool spool_is_lost_body(h2o_iovec_t body)
{
    /* Smaller ones have no file, and need not have a buffer. */
    return body.len >= h2o_socket_buffer_mmap_settings.threshold / 2 &&
           spool_is_lost((const void *)(body.base - offsetof(h2o_buffer_t, _buf)));
}

void spool_check(void)
{
    /* A program whose linker did not export ours would have the library's without a word. */
    uintptr_t in_force = (uintptr_t)dlsym(RTLD_DEFAULT, "h2o_buffer_reserve");

    assert(in_force == (uintptr_t)h2o_buffer_reserve);
}
