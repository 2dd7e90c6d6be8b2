#pragma once

/*
 * node - a running gateway: opens every part in order, serves until a signal says otherwise, closes in
 * reverse.
 *
 * Threads: main. It handles signals and gives the cache its tick; loops, bus, store and resolver have their
 * own.
 */

#include <stdbool.h>

#include "gateway/base/attributes.h"

struct cli_start;
struct config;
struct config_problems;
struct schemas;

/* Entities and plugins as these settings have them. The caller owns the set. */
struct schemas *node_schemas(const struct config *config);

/* What the settings' own check cannot see: are the files right that they name? False: problems lists all that
 * is wrong. */
bool node_check(const struct config *config, struct config_problems *problems) MUST_CHECK;

/*
 * Serves, under a supervisor unless settings say otherwise. SIGTERM and SIGINT: end now (running requests
 * have a second); SIGQUIT: end when they are done, see running.c; SIGHUP: apply changed settings; SIGUSR1:
 * reopen the log files. Returns the exit status.
 */
int node_serve(const struct cli_start *start);
