/*
 * router - tries by host. A route without hosts is in `any`; one with hosts is once in the trie of each.
 *
 * Host keys are texts: "api.acme.test", "api.acme.test:81", "*.acme.test", "api.*". A request looks up its
 * own host, with and without port, and, only while routes with wildcards exist, each ending and each
 * beginning of it at a dot.
 */

#include "gateway/router/router.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/digest.h"
#include "gateway/base/mem.h"
#include "gateway/base/pmap.h"
#include "gateway/base/random.h"
#include "gateway/model/entities.h"
#include "gateway/router/trie.h"

enum {
    HOST_MAX = 512
};

struct router {
    uint32_t refs;
    struct trie *any;
    struct pmap *hosts; /* digest of a host key -> struct trie */
    size_t count;
    size_t wildcards, ports; /* hosts with '*', with a port */
};

/* ---- routed ---- */

struct routed *routed_new(const struct route *route, void (*release)(void *route))
{
    struct routed *routed = mem_alloc(sizeof(*routed));
    *routed = (struct routed){.refs = 1, .route = route, .release = release};
    return routed;
}

struct routed *routed_ref(struct routed *routed)
{
    routed->refs++;
    return routed;
}

void routed_unref(struct routed *routed)
{
    if (routed == NULL || --routed->refs > 0)
        return;
    rule_free(routed->rule);
    /* Owned: given to routed_new() to be freed here. NOLINTNEXTLINE(performance-no-int-to-ptr) */
    routed->release((void *)(uintptr_t)routed->route);
    free(routed);
}

/* ---- keys ---- */

static void ref_trie(void *trie)
{
    (void)trie_ref(trie);
}

static void unref_trie(void *trie)
{
    trie_unref(trie);
}

static const struct pmap_values tries = {ref_trie, unref_trie};

static struct digest_salt host_salt;
static pthread_once_t host_salt_once = PTHREAD_ONCE_INIT;

/* Nobody outside can make two hosts meet. */
static void make_host_salt(void)
{
    random_bytes(&host_salt, sizeof(host_salt));
}

static void host_digest(struct str host, struct digest *digest)
{
    digest_make(&host_salt, host, digest);
}

/* Lower case, into `to`; false: too long to be a host. */
static bool lower_host(struct str host, char to[HOST_MAX])
{
    if (host.len >= HOST_MAX)
        return false;
    for (size_t i = 0; i < host.len; i++)
        to[i] = (char)(host.at[i] >= 'A' && host.at[i] <= 'Z' ? host.at[i] - 'A' + 'a' : host.at[i]);
    return true;
}

/* Position of the ':' whose digits are a port, or SIZE_MAX. */
static size_t port_position(struct str host)
{
    size_t colon = str_find(host, ':', 0);
    if (colon == SIZE_MAX || colon + 1 == host.len)
        return SIZE_MAX;
    for (size_t i = colon + 1; i < host.len; i++)
        if (host.at[i] < '0' || host.at[i] > '9')
            return SIZE_MAX;
    return colon;
}

/* ---- changing ---- */

/* false: the rule was not in it. */
static bool change_trie(struct trie **trie, const struct rule *rule, bool in)
{
    bool found = true;
    for (size_t i = 0; found && i < rule->candidate_count; i++) {
        if (in)
            trie_put(trie, &rule->candidates[i]);
        else
            found = trie_take_out(trie, &rule->candidates[i]);
    }
    return found;
}

/* Where the map holds it, so that building copies nothing; one that may become empty is put back. */
static bool change_host_trie(struct router *router, const struct digest *host, const struct rule *rule,
                             bool in)
{
    struct trie **slot = in ? (struct trie **)pmap_slot(&router->hosts, &tries, host->bytes) : NULL;
    if (slot != NULL)
        return change_trie(slot, rule, in);
    struct trie *trie = trie_ref(pmap_find(router->hosts, host->bytes));
    bool found = change_trie(&trie, rule, in);
    pmap_set(&router->hosts, &tries, host->bytes, trie);
    trie_unref(trie);
    return found;
}

static bool change_host(struct router *router, struct str host, const struct rule *rule, bool in)
{
    char lower[HOST_MAX];
    if (!lower_host(host, lower))
        return false;
    struct str key = {lower, host.len};
    struct digest digest;
    host_digest(key, &digest);
    if (!change_host_trie(router, &digest, rule, in))
        return false;
    size_t step = in ? 1 : SIZE_MAX; /* adding SIZE_MAX takes one away */
    router->wildcards += str_find(key, '*', 0) != SIZE_MAX ? step : 0;
    router->ports += port_position(key) != SIZE_MAX ? step : 0;
    return true;
}

static void change_rule(struct router *router, const struct rule *rule, bool in)
{
    const struct texts *hosts = &rule->route->hosts;
    bool found = false;
    for (size_t i = 0; i < hosts->count; i++)
        found = change_host(router, str_of(hosts->at[i]), rule, in) || found;
    if (hosts->count == 0)
        found = change_trie(&router->any, rule, in);
    if (found)
        router->count += in ? 1 : SIZE_MAX;
}

struct router *router_new(void)
{
    (void)pthread_once(&host_salt_once, make_host_salt);
    struct router *router = mem_zalloc(sizeof(*router));
    router->refs = 1;
    return router;
}

/* Takes the caller's reference; the one it gives is nobody else's. */
static struct router *own_router(struct router *router)
{
    if (router->refs == 1)
        return router;
    struct router *own = mem_alloc(sizeof(*own));
    *own = *router;
    own->refs = 1;
    (void)trie_ref(own->any);
    (void)pmap_ref(own->hosts);
    router->refs--;
    return own;
}

bool router_change(struct router **router, const struct router_change *changes, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (changes[i].new != NULL && changes[i].new->rule == NULL && !rule_make(changes[i].new, err))
            return false;
    *router = own_router(*router);
    for (size_t i = 0; i < count; i++) {
        if (changes[i].old != NULL && changes[i].old->rule != NULL)
            change_rule(*router, changes[i].old->rule, /* in= */ false);
        if (changes[i].new != NULL)
            change_rule(*router, changes[i].new->rule, /* in= */ true);
    }
    return true;
}

struct router *router_ref(struct router *router)
{
    router->refs++;
    return router;
}

void router_unref(struct router *router)
{
    if (router == NULL || --router->refs > 0)
        return;
    trie_unref(router->any);
    pmap_unref(router->hosts, &tries);
    free(router);
}

size_t router_count(const struct router *router)
{
    return router->count;
}

/* ---- matching ---- */

struct matching {
    const struct router *router;
    struct rule_query query;
    const struct candidate *best;
    struct router_match *match;
};

static void match_key(struct matching *matching, struct str key)
{
    struct digest digest;
    host_digest(key, &digest);
    trie_match(pmap_find(matching->router->hosts, digest.bytes), &matching->query, &matching->best,
               matching->match);
}

/* "*.b.c", "*.c" and "a.*", "a.b.*" of a.b.c, with `port` (":81" or "") behind. */
static void match_wildcards(struct matching *matching, struct str host, struct str port)
{
    char key[HOST_MAX + 2];
    for (size_t dot = str_find(host, '.', 0); dot != SIZE_MAX; dot = str_find(host, '.', dot + 1)) {
        size_t tail = host.len - dot;
        if (dot > 0) {
            key[0] = '*';
            memcpy(key + 1, host.at + dot, tail);
            memcpy(key + 1 + tail, port.at, port.len);
            match_key(matching, (struct str){key, 1 + tail + port.len});
        }
        if (dot + 1 < host.len) {
            memcpy(key, host.at, dot + 1);
            key[dot + 1] = '*';
            memcpy(key + dot + 2, port.at, port.len);
            match_key(matching, (struct str){key, dot + 2 + port.len});
        }
    }
}

static void match_host(struct matching *matching)
{
    const struct router *router = matching->router;
    char lower[HOST_MAX];
    struct str full = matching->query.asked->host;
    if (full.at == NULL || router->hosts == NULL || !lower_host(full, lower))
        return;
    full.at = lower;
    size_t colon = port_position(full);
    struct str host = colon != SIZE_MAX ? str_part(full, 0, colon) : full;
    struct str port = colon != SIZE_MAX ? str_part(full, colon, full.len) : STR("");
    bool with_port = colon != SIZE_MAX && router->ports > 0;
    match_key(matching, host);
    if (with_port)
        match_key(matching, full);
    if (router->wildcards == 0)
        return;
    match_wildcards(matching, host, STR(""));
    if (with_port)
        match_wildcards(matching, host, port);
}

static bool is_ascii(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] >= 0x80)
            return false;
    return true;
}

bool router_match(const struct router *router, const struct router_query *query, struct router_match *match)
{
    struct matching matching = {
        .router = router, .query = {query, method_bit(query->method)}, .match = match};
    if (!is_ascii(query->path) && !str_is_utf8(query->path))
        return false;
    match_host(&matching);
    trie_match(router->any, &matching.query, &matching.best, match);
    return matching.best != NULL;
}
