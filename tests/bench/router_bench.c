/*
 * router_bench - what a match and a change cost, and what a route occupies, by number of routes.
 *
 * Routes are like those of the goals: a host each of a thousand (or all of one), a path of its own, every
 * tenth a pattern. Prints a table; run it from a Release build. Goals at 100,000 routes: 500 ns a match,
 * 1,000 under one host; 50,000 ns a change; 300 ms to build; 600 bytes a route.
 */

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/mem.h"
#include "gateway/model/entities.h"
#include "gateway/router/router.h"

enum {
    HOSTS = 1000,
    ROUNDS = 200000,
    CHANGES = 20000
};

static uint32_t hosts = HOSTS;
static uint64_t seed = 88172645463325252U;

static uint32_t any(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 32) % below;
}

static double now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Of the process, compiled patterns included. */
static double resident_mib(void)
{
    char line[128] = "";
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL)
        return 0;
    (void)!fgets(line, sizeof(line), file);
    (void)fclose(file);
    const char *second = strchr(line, ' ');
    unsigned long pages = second != NULL ? strtoul(second, NULL, 10) : 0;
    return (double)pages * 4096 / (1 << 20);
}

/* As a decoded route: one block for all of it. */
struct made {
    struct route route;
    char *hosts[1], *paths[1];
    char host[32], path[48];
};

/* The path of a route, or one that a request for it may have. */
static void write_path(char *to, size_t size, uint32_t number, bool asked)
{
    uint32_t version = number / HOSTS;
    if (number % 10 != 9 || hosts == 1)
        (void)snprintf(to, size, "/api/v%u/items/%u", version, number);
    else if (asked)
        (void)snprintf(to, size, "/api/v%u/items/4711/%u", version, number);
    else
        (void)snprintf(to, size, "~/api/v%u/items/(?<id>\\d+)/%u$", version, number);
}

static struct routed *make(uint32_t number)
{
    struct made *made = mem_zalloc(sizeof(*made));
    (void)snprintf(made->host, sizeof(made->host), "h%u.example.test", number % hosts);
    write_path(made->path, sizeof(made->path), number, /* asked= */ false);
    made->hosts[0] = made->host;
    made->paths[0] = made->path;
    memcpy(made->route.id.bytes, &number, sizeof(number));
    made->route.hosts = (struct texts){made->hosts, 1};
    made->route.paths = (struct texts){made->paths, 1};
    made->route.created_at = number;
    return routed_new(&made->route, free);
}

static struct router *change(struct router *router, struct routed *old, struct routed *new)
{
    const struct router_change one = {.old = old, .new = new};
    struct err err = {0};
    if (!router_change(&router, &one, 1, &err)) {
        (void)fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return router;
}

static double match_ns(const struct router *router, uint32_t count)
{
    static struct {
        char host[32], path[48];
    } asked[1024];
    struct router_match match;
    uint32_t found = 0;
    for (uint32_t i = 0; i < 1024; i++) {
        uint32_t number = any(count);
        (void)snprintf(asked[i].host, sizeof(asked[i].host), "h%u.example.test", number % hosts);
        write_path(asked[i].path, sizeof(asked[i].path), number, /* asked= */ true);
    }
    double begin = now_ns();
    for (uint32_t i = 0; i < ROUNDS; i++) {
        const struct router_query query = {
            .method = STR("GET"), .host = str_of(asked[i % 1024].host), .path = str_of(asked[i % 1024].path)};
        found += router_match(router, &query, &match) ? 1 : 0;
    }
    double spent = now_ns() - begin;
    if (found != ROUNDS)
        (void)fprintf(stderr, "%u of %d requests found no route\n", ROUNDS - found, ROUNDS);
    return spent / ROUNDS;
}

/* A new version of a route in place of the one before; its making is part of the cost. */
static double change_ns(struct router **router, struct routed **routes, uint32_t count)
{
    double begin = now_ns();
    for (uint32_t i = 0; i < CHANGES; i++) {
        uint32_t number = any(count);
        struct routed *next = make(number);
        *router = change(*router, routes[number], next);
        routed_unref(routes[number]);
        routes[number] = next;
    }
    return (now_ns() - begin) / CHANGES;
}

static void measure(uint32_t count)
{
    struct routed **routes = mem_alloc(count * sizeof(void *));
    size_t before = mallinfo2().uordblks;
    for (uint32_t i = 0; i < count; i++)
        routes[i] = make(i);
    size_t with_routes = mallinfo2().uordblks;
    struct router *router = router_new();
    double begin = now_ns();
    for (uint32_t i = 0; i < count; i++)
        router = change(router, NULL, routes[i]);
    double built_ms = (now_ns() - begin) / 1e6;
    size_t with_router = mallinfo2().uordblks;
    double resident = resident_mib();
    double match = match_ns(router, count);
    double changed = change_ns(&router, routes, count);
    printf("%8u %6u %10.0f %10.0f %10.1f %15zu %15zu %8.1f\n", count, hosts, match, changed, built_ms,
           (with_router - with_routes) / count, (with_routes - before) / count, resident);
    router_unref(router);
    for (uint32_t i = 0; i < count; i++)
        routed_unref(routes[i]);
    free(routes);
}

int main(void)
{
    static const struct {
        uint32_t routes, hosts;
    } sizes[] = {{10, HOSTS}, {1000, HOSTS}, {10000, HOSTS}, {100000, HOSTS}, {100000, 1}};
    printf("%8s %6s %10s %10s %10s %15s %15s %8s\n", "routes", "hosts", "ns/match", "ns/change", "build ms",
           "router B/route", "decoded B/route", "RSS MiB");
    for (size_t i = 0; i < COUNT(sizes); i++) {
        hosts = sizes[i].hosts;
        measure(sizes[i].routes);
    }
    return 0;
}
