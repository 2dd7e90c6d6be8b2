/* tables - see tables.h. A new command is a row here, a function, a scenario in
 * tests/integration/test_program.py. */

#include "gateway/cli/tables.h"

#include "gateway/base/attributes.h"
#include "gateway/cli/command.h"

#define DATABASE "--db-timeout --lock-timeout"
#define NODE     "--conf --prefix"

/* clang-format off */
const struct command commands[] = {
    {"start", command_start, "", "", NODE " --daemon --run-migrations " DATABASE,
     "starts a node",
     "In the foreground, unless --daemon is given. A supervisor holds the listening sockets and the pid file; the worker it starts serves. "
     "The database must be there and have our schema; --run-migrations brings it up to date first."},
    {"stop", command_stop, "", "", NODE, "ends the node at once", ""},
    {"quit", command_quit, "", "", NODE " --timeout --wait", "ends it when running requests are done",
     "Readiness fails first, then connections are closed as they become idle; what still runs when the time is over is cut."},
    {"restart", command_restart, "", "", NODE " --run-migrations " DATABASE, "stop, then start --daemon", ""},
    {"upgrade", command_upgrade, "", "", NODE, "the program there is now, and all settings, without losing a request",
     "The supervisor becomes the program that is installed, starts a worker beside the old one on the same sockets, and retires that once the "
     "new one serves. What does not start changes nothing."},
    {"reload", command_reload, "", "", NODE, "applies changed settings",
     "Those that need a restart are named and keep their values."},
    {"health", command_health, "", "", NODE " --url --timeout", "is a node running here, or does one answer there?",
     "With --url any http address is asked, for example the Status API's /status/ready."},
    {"check", command_check, "", "[FILE]", "--conf --prefix --describe", "every mistake in the settings; or the list of all settings", ""},
    {"prepare", command_prepare, "", "", NODE, "makes the working directory", ""},
    {"migrations", command_migrations, "bootstrap up finish list status reset", "", NODE " --yes --quiet --force --wait " DATABASE,
     "the schema of the database",
     "bootstrap makes it, up brings it up to date while nodes run, list and status show what there is and what is missing "
     "(exit status 3: there is no schema, 5: there are new steps), reset removes everything."},
    {"config", command_declarative, "init parse db_import db_export", "[FILE]", NODE, "files with entities, into the database and out of it",
     "A file is imported in one transaction; what is stored already is not written again."},
    {"cluster", command_cluster, "status", "", NODE " --watch --json", "every node, its position, and how it hears of changes", ""},
    {"db", command_db, "touch fork", "[ENTITY [ID]]", NODE " --yes", "after rows were written by hand; a copy that lives on its own",
     "touch tells every node to take an entity, a kind of entities or everything for changed. fork gives a restored copy of a database "
     "an identity of its own, so that it can never be taken for the original."},
    {"describe", command_describe, "man conf bash zsh fish", "", "", "writes manual pages and completions", ""},
    {"version", command_version, "", "", "--all", "the version; with --all what it was made with", ""},
};
const size_t command_count = COUNT(commands);

const struct option options[] = {
    {"--conf",           "-c", OPTION_TEXT,    offsetof(struct command_line, file),           "FILE",   "settings; default /etc/freshet/freshet.conf, then /etc/kong/kong.conf"},
    {"--prefix",         "-p", OPTION_TEXT,    offsetof(struct command_line, prefix),         "PREFIX", "working directory, in the place of the setting prefix"},
    {"--url",            NULL, OPTION_TEXT,    offsetof(struct command_line, url),            "URL",    "whom to ask, in the place of the node of this prefix"},
    {"--daemon",         "-d", OPTION_FLAG,    offsetof(struct command_line, daemon),         NULL,     "in the background"},
    {"--run-migrations", NULL, OPTION_FLAG,    offsetof(struct command_line, run_migrations), NULL,     "bring the schema up to date first"},
    {"--db-timeout",     NULL, OPTION_SECONDS, offsetof(struct command_line, db_timeout_s),   "S",      "seconds to wait for the database; default 60"},
    {"--lock-timeout",   NULL, OPTION_SECONDS, offsetof(struct command_line, lock_timeout_s), "S",      "seconds to wait for somebody else who migrates; default 60"},
    {"--timeout",        "-t", OPTION_SECONDS, offsetof(struct command_line, timeout_s),      "S",      "seconds to wait for the end, or for an answer; default 10"},
    {"--wait",           "-w", OPTION_SECONDS, offsetof(struct command_line, wait_s),         "S",      "seconds to wait first, or for the schema"},
    {"--yes",            "-y", OPTION_FLAG,    offsetof(struct command_line, yes),            NULL,     "do not ask"},
    {"--quiet",          "-q", OPTION_FLAG,    offsetof(struct command_line, quiet),          NULL,     "say nothing but mistakes"},
    {"--force",          "-f", OPTION_FLAG,    offsetof(struct command_line, force),          NULL,     "even if the database is not empty"},
    {"--all",            "-a", OPTION_FLAG,    offsetof(struct command_line, all),            NULL,     "everything that is known"},
    {"--describe",       NULL, OPTION_FLAG,    offsetof(struct command_line, describe),       NULL,     "write a file with all settings, their defaults and meanings"},
    {"--watch",          NULL, OPTION_FLAG,    offsetof(struct command_line, watch),          NULL,     "again every second"},
    {"--json",           NULL, OPTION_FLAG,    offsetof(struct command_line, json),           NULL,     "as JSON"},
};
const size_t option_count = COUNT(options);
/* clang-format on */
