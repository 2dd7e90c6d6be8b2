#pragma once

/*
 * snapshot - the routing configuration at one position: router, services, routes, plugins, upstreams,
 * certificates. Immutable.
 *
 * The bus thread makes the next one from the last, sharing what did not change, and publishes it through one
 * atomic pointer. Each loop pins the snapshot a request uses; when a snapshot is retired each loop answers
 * once its pins are gone (a message, no atomics on the request's path). After the last answer the bus thread
 * frees it, in snapshot_sweep(): counts inside are not atomic.
 *
 * Threads: snapshot_publish(), snapshot_sweep() and the builder in draft*.c: the bus thread. snapshot_pin/
 * unpin: a registered loop.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/digest.h"
#include "gateway/base/str.h"
#include "gateway/base/uuid.h"
#include "gateway/proxy/hop.h"

struct loop;
struct pmap;
struct plugin;
struct router;
struct schemas;
struct scope_index;
struct service;
struct sni;
struct snapshot_place;
struct target;
struct upstream;

enum {
    SNAPSHOT_KINDS = 8 /* of entities */
};

struct snapshot {
    uint64_t position;
    int64_t tag;
    struct router *router;       /* routes of enabled services and routes without service */
    struct pmap *services;       /* id -> struct shared_service */
    struct pmap *routes;         /* id -> struct routed, also those not in the router */
    struct pmap *groups;         /* id of a service -> struct pmap: its part of `routes` */
    struct pmap *plugins;        /* id -> struct plugin_instance */
    struct pmap *upstreams;      /* id -> struct balanced */
    struct pmap *upstream_names; /* digest of the name -> struct balanced */
    struct pmap *targets;        /* id -> struct shared_row */
    struct pmap *target_groups;  /* id of an upstream -> struct pmap: its part of `targets` */
    struct pmap *certificates;   /* id -> struct tls_identity */
    struct pmap *snis;           /* id -> struct shared_row */
    struct pmap *server_names;   /* certificates_name_key() of the name -> the same */
    struct pmap *authorities;    /* id -> struct tls_authority */
    uint64_t balanced_count;     /* of struct balanced that were ever made */
    struct scope_index *scope;
    struct pmap *failing; /* ids of rows whose newest version does not compile; values mean nothing */
    struct pmap *versions[SNAPSHOT_KINDS]; /* id -> hash of the row's document, by kind of entity (draft.c) */
    uint64_t number;                       /* 1, 2, 3 ... of this process */
    struct snapshot_reader *readers;       /* pins per loop; this and the rest: snapshot.c */
    _Atomic size_t unanswered;             /* loops that may still pin it, once it is retired */
    struct snapshot *next_alive, *next_dead;
};

/* A service as snapshots share it: counted by the bus thread. */
struct shared_service {
    uint32_t refs;
    struct service *service; /* owned; one block */
    struct hop hop;
};
/* Takes the object over. */
struct shared_service *shared_service_new(struct service *service);

/* An object as snapshots share it: counted by the bus thread. */
struct shared_row {
    uint32_t refs;
    const struct schema *schema;
    void *object; /* the schema's typed one; owned */
};
/* Takes the object over. */
struct shared_row *shared_row_new(const struct schema *schema, void *object);
const struct target *shared_target(const struct shared_row *row);
const struct sni *shared_sni(const struct shared_row *row);

/* One version of an upstream and its targets: a change of either makes another. */
struct balanced {
    uint32_t refs;
    struct digest name_key;
    struct shared_row *row;
    const struct upstream *upstream; /* the row's */
    struct pmap *targets;            /* id -> struct shared_row; NULL: none */
    uint64_t version;                /* no other balanced of this process has it */
};
struct balanced *balanced_new(struct shared_row *upstream, struct pmap *targets, uint64_t version);
/* Under which a host's name, in lower case, is looked for. */
void balanced_name_key(struct str name, struct digest *key);
/* The upstream of that name; NULL: it is a host. */
const struct balanced *snapshot_find_balanced(const struct snapshot *snapshot, const struct digest *name_key);

/* NULL: there is none. */
const struct shared_service *snapshot_find_service(const struct snapshot *snapshot, const struct uuid *id);
const struct service *snapshot_service(const struct snapshot *snapshot, const struct uuid *id);

/* Members are counted: these take and give back the references of the maps. Bus thread. */
struct pmap_values;
extern const struct pmap_values snapshot_services, snapshot_routes, snapshot_groups, snapshot_plugins,
    snapshot_rows, snapshot_upstreams, snapshot_target_groups, snapshot_identities, snapshot_authorities,
    snapshot_failing, snapshot_versions;
/* One that was never published. */
void snapshot_free(struct snapshot *snapshot);

/* Where the current one is published. loops: those that will pin; started later than this call. */
struct snapshot_place *snapshot_place_new(struct loop *const *loops, size_t count);
void snapshot_place_free(struct snapshot_place *place);

/* The current snapshot, held until snapshot_unpin(). loop_number: index in `loops`. NULL before the first. */
const struct snapshot *snapshot_pin(struct snapshot_place *place, size_t loop_number);
void snapshot_unpin(struct snapshot_place *place, size_t loop_number, const struct snapshot *snapshot);

/* Bus thread. Takes ownership of `next`; retires the one before. */
void snapshot_publish(struct snapshot_place *place, struct snapshot *next);
/* Bus thread, now and then: frees those that every loop has let go of. */
void snapshot_sweep(struct snapshot_place *place);
/* Bus thread: the newest, borrowed until the next publish. NULL before the first. */
const struct snapshot *snapshot_newest(struct snapshot_place *place);
