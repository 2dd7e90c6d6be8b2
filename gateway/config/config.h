#pragma once

/*
 * config - the settings of a node: file, then environment, checked all at once.
 *
 * config_keys.def is the one list. Precedence: default, file, KONG_<NAME>, FRESHET_<NAME>. A value
 * {vault://env/NAME} is read from the environment. Unknown names in the file are ignored, as clients of Kong
 * expect, with one warning each.
 *
 * Threads: a struct config is immutable once loaded.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/base/str.h"

/* How a value is written and kept. */
enum config_kind {
    CONFIG_TEXT,         /* char *; NULL: unset */
    CONFIG_SECRET,       /* as TEXT; shown as ****** */
    CONFIG_BOOLEAN,      /* bool: on, off, true, false */
    CONFIG_INTEGER,      /* int64_t */
    CONFIG_SECONDS,      /* int64_t milliseconds; written in seconds, fractions allowed */
    CONFIG_MILLISECONDS, /* int64_t */
    CONFIG_BYTES,        /* int64_t; 8k, 128m, 1g */
    CONFIG_NUMBER,       /* double, never unset */
    CONFIG_LIST,         /* struct config_list */
    CONFIG_CHOICE,       /* char *, one of the words in `choices` */
    CONFIG_LISTEN,       /* struct config_list of addresses, checked; likewise below */
    CONFIG_NETWORKS,     /* addresses and ranges: base/network.h */
    CONFIG_PORT_MAPS,    /* public:local ports */
    CONFIG_HEADERS,      /* words of header_tokens.h */
    CONFIG_ADDRESSES,    /* "host:port,host:port" without blanks */
};

/* Numbers without a value. */
#define CONFIG_UNSET INT64_MIN

struct config_list {
    char **at;
    size_t count;
};

/* One thing that is wrong. */
struct config_problem {
    char *where; /* file name, "environment", "command line" or "settings" */
    int line;    /* 0: not from a file */
    char *key;   /* "" when it is no single setting */
    char *reason;
};
struct config_problems {
    struct config_problem *at;
    size_t count;
};
void config_problems_fini(struct config_problems *problems);
/* "freshet.conf:12: pg_port: '0' is too small ..."; the caller owns it. */
char *config_problem_text(const struct config_problem *problem);

/* TEXT, SECRET, CHOICE and ADDRESSES are char *, and so on: see enum config_kind. */
#define CONFIG_TYPE_TEXT         char *
#define CONFIG_TYPE_SECRET       char *
#define CONFIG_TYPE_BOOLEAN      bool
#define CONFIG_TYPE_INTEGER      int64_t
#define CONFIG_TYPE_SECONDS      int64_t
#define CONFIG_TYPE_MILLISECONDS int64_t
#define CONFIG_TYPE_BYTES        int64_t
#define CONFIG_TYPE_NUMBER       double
#define CONFIG_TYPE_LIST         struct config_list
#define CONFIG_TYPE_CHOICE       char *
#define CONFIG_TYPE_LISTEN       struct config_list
#define CONFIG_TYPE_NETWORKS     struct config_list
#define CONFIG_TYPE_PORT_MAPS    struct config_list
#define CONFIG_TYPE_HEADERS      struct config_list
#define CONFIG_TYPE_ADDRESSES    char *

struct config {
#define KEY(name, kind, fallback, smallest, largest, choices, applies, meaning) CONFIG_TYPE_##kind name;
#include "gateway/config/config_keys.def"
    char *file;                      /* where it was read from; NULL: nowhere */
    struct config_problems warnings; /* unknown names, settings without effect; start is possible */
};

enum config_applies {
    CONFIG_LIVE,
    CONFIG_RESTART,
    CONFIG_IGNORED
};

struct config_key {
    const char *name;
    enum config_kind kind;
    const char *fallback;
    const char *smallest, *largest; /* "" no bound */
    const char *choices;            /* words separated by blanks */
    enum config_applies applies;
    const char *meaning;
    size_t offset; /* in struct config */
};
extern const struct config_key config_keys[];
extern const size_t config_key_count;

/*
 * path NULL: /etc/freshet/freshet.conf, /etc/kong/kong.conf, whichever exists first, or none. prefix NULL or
 * from -p. false: problems lists every one. Unknown names and settings without effect are in
 * (*config)->warnings.
 */
bool config_load(const char *path, const char *prefix, struct config **config,
                 struct config_problems *problems) MUST_CHECK;
void config_free(struct config *config);

/* A listen entry "host:port flags" taken apart; texts point into `text`. */
struct config_listen {
    struct str host;
    int port;
    bool ssl, http2, proxy_protocol, reuseport, deferred, bind, ipv6only;
    int backlog;
};
bool config_parse_listen(const char *text, struct config_listen *listen, char reason[160]) MUST_CHECK;

/* "80:8000": requests to the local port 8000 have come to port 80 of the world. */
struct config_port_map {
    int public_port, local_port;
};
bool config_parse_port_map(const char *text, struct config_port_map *map) MUST_CHECK;

/* The value as text, secrets masked; NULL: unset. The caller owns it. */
char *config_show(const struct config *config, const struct config_key *key);
/* Calls `differs` for each key whose value is not the same. */
void config_compare(const struct config *before, const struct config *after,
                    void (*differs)(void *arg, const struct config_key *key), void *arg);
/* Gives `to` the live settings of `from`, as a reload does. */
void config_take_live(struct config *to, const struct config *from);
/* The whole table as a commented file (deploy/freshet.conf). The caller owns it. */
char *config_describe(void);
/* Is a plugin name switched on by `plugins`? */
bool config_enables_plugin(const struct config *config, const char *name);
