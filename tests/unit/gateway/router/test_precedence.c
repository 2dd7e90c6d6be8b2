/*
 * The router against an oracle that looks at every route and every path of it: random routes, changes and
 * requests, old versions of the router included. FRESHET_ROUTER_STEPS: how many changes, six requests each.
 */

#define PCRE2_CODE_UNIT_WIDTH 8

#include "routes.h"

#include <pcre2.h>
#include <stdio.h>

enum {
    ROUTES = 60,
    STEPS = 3000,
    ASKED_PER_STEP = 6,
    KEPT = 8 /* old routers */
};

static const char *const host_choices[] = {"a.test", "b.test", "x.a.test",  "*.test",    "*.a.test",
                                           "a.*",    "x.a.*",  "a.test:81", "*.test:81", "A.Test"};
static const char *const path_choices[] = {
    "/",        "/a",      "/a/b",           "/ab",   "/a/b/c",          "/a/bc", "~/a",   "~/a/(b|c)",
    "~/a|/b",   "~/ab?/c", "~/(?<n>[a-c])$", "~/.*c", "~/(a|b)/(b|c)$",  "/b",    "~/a/b", "/caf\xc3\xa9",
    "~/a[|/]b", "~/a/",    "~/a/(?:b|c)+",   "/a/",   "~/x\\\\||/a/b/c", "~/ab*", "/abc",  "~/c(a|f)+"};
static const char *const method_choices[] = {"GET", "POST", "PUT"};
static const char *const value_choices[] = {"1", "2", "~*^v", "V1"};
static const char *const sni_choices[] = {"a.test", "b.test.", "c.test"};
static const char *const asked_hosts[] = {
    "a.test",    "b.test",    "x.a.test", "y.x.a.test", "c.test",   "a.org", "x.a.org",     "test",
    "a.test:81", "x.test:81", "A.TEST",   "a.test:x",   "b.test:9", "a.",    "x.a.test:81", "[::1]"};
static const char *const asked_paths[] = {"/",     "/a",   "/a/b",         "/a/b/c", "/ab",      "/abc",
                                          "/a/bc", "/b",   "/b/c",         "/c",     "/x/b",     "/a/c",
                                          "/abb",  "/a|b", "/caf\xc3\xa9", "/caf",   "/\xff/ab", "/ab/c"};
static const char *const asked_values[] = {"1", "2", "v1", "x"};

static uint64_t seed = 42;

static uint32_t any(uint32_t below)
{
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(seed >> 33) % below;
}

#define ANY_OF(choices) ((choices)[any(COUNT(choices))])

/* ---- random routes ---- */

static void add_list(struct buf *json, const char *name, const char *const *choices, uint32_t count)
{
    buf_printf(json, "%s'%s':[", json->len > 1 ? "," : "", name);
    for (uint32_t i = 0, left = 1 + any(3); i < left; i++)
        buf_printf(json, "%s'%s'", i > 0 ? "," : "", choices[any(count)]);
    buf_add_text(json, "]");
}

static struct routed *any_route(unsigned number)
{
    struct buf json = {0};
    buf_add_text(&json, "{");
    if (any(2) == 0)
        add_list(&json, "hosts", host_choices, COUNT(host_choices));
    if (any(4) > 0)
        add_list(&json, "paths", path_choices, COUNT(path_choices));
    if (any(4) == 0)
        add_list(&json, "methods", method_choices, COUNT(method_choices));
    if (any(6) == 0)
        add_list(&json, "snis", sni_choices, COUNT(sni_choices));
    if (any(4) == 0) {
        buf_printf(&json, "%s'headers':{", json.len > 1 ? "," : "");
        struct buf inner = {0};
        buf_add_text(&inner, "{");
        add_list(&inner, "X-One", value_choices, COUNT(value_choices));
        if (any(2) == 0)
            add_list(&inner, "y_two", value_choices, COUNT(value_choices));
        buf_printf(&json, "%s}", inner.at + 1);
        buf_fini(&inner);
    }
    buf_printf(&json, "%s'regex_priority':%u,'created_at':%u}", json.len > 1 ? "," : "", any(3), any(3));
    struct routed *routed = routes_make(number, json.at);
    buf_fini(&json);
    return routed;
}

/* ---- the oracle: the reference's words, one after the other ---- */

static bool pattern_found(const char *pattern, uint32_t options, struct str subject, size_t *end)
{
    int code;
    size_t offset;
    pcre2_code *compiled =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &code, &offset, NULL);
    assert_non_null(compiled);
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(compiled, NULL);
    int found = pcre2_match(compiled, (PCRE2_SPTR)subject.at, subject.len, 0, 0, data, NULL);
    *end = found > 0 ? pcre2_get_ovector_pointer(data)[1] : 0;
    pcre2_match_data_free(data);
    pcre2_code_free(compiled);
    return found > 0;
}

static bool host_fits(const char *own, struct str asked)
{
    struct str host = str_of(own);
    size_t colon = str_find(asked, ':', 0);
    bool port = colon != SIZE_MAX && colon + 1 < asked.len;
    for (size_t i = colon + 1; port && i < asked.len; i++)
        port = asked.at[i] >= '0' && asked.at[i] <= '9';
    if (port && str_find(host, ':', 0) == SIZE_MAX)
        asked = str_part(asked, 0, colon);
    size_t star = str_find(host, '*', 0);
    if (star == SIZE_MAX)
        return str_equal_nocase(host, asked);
    struct str head = str_part(host, 0, star);
    struct str tail = str_part(host, star + 1, host.len);
    return asked.len > head.len + tail.len && str_equal_nocase(str_part(asked, 0, head.len), head) &&
           str_equal_nocase(str_part(asked, asked.len - tail.len, asked.len), tail);
}

static bool name_fits(const char *own, struct str asked)
{
    size_t len = strlen(own);
    for (size_t i = 0; i < asked.len && i < len; i++) {
        char a = (char)(own[i] == '_' ? '-' : own[i]);
        char b = (char)(asked.at[i] == '_' ? '-' : asked.at[i]);
        if (!str_equal_nocase((struct str){&a, 1}, (struct str){&b, 1}))
            return false;
    }
    return len == asked.len;
}

static bool header_fits(const struct route_header *header, const struct router_query *query)
{
    size_t end;
    for (size_t i = 0; i < query->header_count; i++)
        for (size_t k = 0; k < header->values.count; k++) {
            const char *value = header->values.at[k];
            struct str asked = query->headers[i].value;
            bool same = strncmp(value, "~*", 2) == 0 ? pattern_found(value + 2, PCRE2_CASELESS, asked, &end)
                                                     : str_equal_nocase(str_of(value), asked);
            if (same && name_fits(header->name, query->headers[i].name))
                return true;
        }
    return false;
}

static bool fits_but_path(const struct route *route, const struct router_query *query)
{
    bool host = route->hosts.count == 0, method = route->methods.count == 0;
    bool sni = route->snis.count == 0 || !query->tls;
    for (size_t i = 0; i < route->hosts.count && query->host.at != NULL; i++)
        host = host || host_fits(route->hosts.at[i], query->host);
    for (size_t i = 0; i < route->methods.count; i++)
        method = method || str_equal(str_of(route->methods.at[i]), query->method);
    for (size_t i = 0; i < route->snis.count && query->server_name.at != NULL; i++) {
        struct str own = str_of(route->snis.at[i]);
        if (own.at[own.len - 1] == '.')
            own.len--;
        sni = sni || str_equal_nocase(own, query->server_name);
    }
    for (size_t i = 0; i < route->header_count; i++)
        if (!header_fits(&route->headers[i], query))
            return false;
    return host && method && sni;
}

struct candidate {
    const struct route *route;
    size_t path_index, matched_length;
    int64_t keys[8]; /* criteria in order, larger is better */
};

static void rank(struct candidate *candidate, bool is_pattern, size_t prefix_length)
{
    const struct route *route = candidate->route;
    bool plain = route->hosts.count > 0;
    for (size_t i = 0; i < route->hosts.count; i++)
        plain = plain && strchr(route->hosts.at[i], '*') == NULL;
    candidate->keys[0] = (route->methods.count > 0) + (route->hosts.count > 0) + (route->header_count > 0) +
                         (route->snis.count > 0) + (route->paths.count > 0);
    candidate->keys[1] = plain;
    candidate->keys[2] = (int64_t)route->header_count;
    candidate->keys[3] = is_pattern;
    candidate->keys[4] = is_pattern ? route->regex_priority : 0;
    candidate->keys[5] = is_pattern ? 0 : (int64_t)prefix_length;
    candidate->keys[6] = -route->created_at;
    candidate->keys[7] = -(int64_t)routes_number(route);
}

static void consider(struct candidate *best, const struct candidate *other)
{
    for (size_t i = 0; best->route != NULL && i < COUNT(best->keys); i++) {
        if (best->keys[i] > other->keys[i])
            return;
        if (best->keys[i] < other->keys[i]) {
            *best = *other;
            return;
        }
    }
    if (best->route == NULL) /* equal in everything: two paths of one route, the first stays */
        *best = *other;
}

static void consider_route(struct candidate *best, const struct route *route,
                           const struct router_query *query)
{
    struct candidate one = {.route = route, .path_index = SIZE_MAX};
    if (!fits_but_path(route, query))
        return;
    if (route->paths.count == 0) {
        rank(&one, false, 0);
        consider(best, &one);
    }
    for (size_t i = 0; i < route->paths.count; i++) {
        const char *path = route->paths.at[i];
        one.path_index = i;
        one.matched_length = strlen(path);
        bool is_pattern = path[0] == '~';
        bool found = !is_pattern && str_starts_with(query->path, str_of(path));
        if (is_pattern) {
            char *anchored = mem_printf("^%s", path + 1);
            found = pattern_found(anchored, PCRE2_UTF, query->path, &one.matched_length);
            free(anchored);
        }
        rank(&one, is_pattern, strlen(path));
        if (found)
            consider(best, &one);
    }
}

static struct candidate expected(struct routed *const routes[ROUTES], const struct router_query *query)
{
    struct candidate best = {.route = NULL};
    for (size_t i = 0; i < ROUTES && str_is_utf8(query->path); i++)
        if (routes[i] != NULL)
            consider_route(&best, routes[i]->route, query);
    return best;
}

/* ---- the comparison ---- */

/* A router and the routes that are in it. */
struct version {
    struct router *router;
    struct routed *routes[ROUTES];
};

static void ask(const struct version *version)
{
    struct router_header headers[2] = {{STR("x-one"), str_of(ANY_OF(asked_values))},
                                       {STR("Y-Two"), str_of(ANY_OF(asked_values))}};
    struct router_query query = {
        .method = str_of(ANY_OF(method_choices)),
        .host = any(12) == 0 ? STR_NONE : str_of(ANY_OF(asked_hosts)),
        .path = str_of(ANY_OF(asked_paths)),
        .tls = any(2) == 0,
        .server_name = any(3) == 0 ? STR_NONE : STR("b.test"),
        .headers = headers,
        .header_count = any(3),
    };
    struct router_match match;
    struct candidate best = expected(version->routes, &query);
    bool found = router_match(version->router, &query, &match);
    if (found != (best.route != NULL) || (found && match.route != best.route))
        fail_msg("%.*s %.*s: route %u, expected %u", STR_ARG(query.host), STR_ARG(query.path),
                 found ? routes_number(match.route) : 9999,
                 best.route != NULL ? routes_number(best.route) : 9999);
    if (found) {
        assert_int_equal(match.path_index, best.path_index);
        assert_int_equal(match.matched_length, best.matched_length);
    }
}

static void version_drop(struct version *version)
{
    router_unref(version->router);
    for (size_t i = 0; i < ROUTES; i++)
        routed_unref(version->routes[i]);
    *version = (struct version){0};
}

static void version_keep(struct version *kept, const struct version *version)
{
    version_drop(kept);
    *kept = *version;
    (void)router_ref(kept->router);
    for (size_t i = 0; i < ROUTES; i++)
        if (kept->routes[i] != NULL)
            (void)routed_ref(kept->routes[i]);
}

static void step(struct version *now)
{
    unsigned number = any(ROUTES);
    struct routed *old = now->routes[number];
    struct routed *new = old == NULL || any(3) > 0 ? any_route(number) : NULL;
    assert_true(routes_change(&now->router, old, new));
    routed_unref(old);
    now->routes[number] = new;
}

static void the_router_and_the_oracle_choose_the_same(void **state)
{
    static struct version now, kept[KEPT];
    (void)state;
    now.router = router_new();
    const char *wanted = getenv("FRESHET_ROUTER_STEPS");
    int64_t steps;
    if (wanted == NULL || !str_to_int(str_of(wanted), &steps))
        steps = STEPS;
    for (int64_t i = 0; i < steps; i++) {
        step(&now);
        for (int k = 0; k < ASKED_PER_STEP; k++)
            ask(&now);
        if (i % 100 == 0)
            version_keep(&kept[any(KEPT)], &now);
        const struct version *old = &kept[any(KEPT)];
        if (old->router != NULL)
            ask(old);
    }
    for (int i = 0; i < KEPT; i++)
        version_drop(&kept[i]);
    for (unsigned i = 0; i < ROUTES; i++) { /* down to nothing */
        assert_true(routes_change(&now.router, now.routes[i], NULL));
        if (now.routes[i] != NULL)
            assert_int_equal(now.routes[i]->refs, 1);
        routed_unref(now.routes[i]);
        now.routes[i] = NULL;
        ask(&now);
    }
    assert_int_equal(router_count(now.router), 0);
    version_drop(&now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_router_and_the_oracle_choose_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
