/*
 * source - reads "name = value" lines and the environment.
 *
 * '#' begins a comment anywhere in a line, "\#" is a literal one. An empty value means unset, which also
 * undoes a value of an earlier source. Some clients still write names that were renamed long ago: `aliases`.
 */

#include "gateway/config/source.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/mem.h"

enum {
    FILE_SIZE_MAX = 1 << 20,
    NAME_SIZE_MAX = 128,
    SECRET_SIZE_MAX = 64 << 10
};

static const struct alias {
    const char *old;
    const char *name;
} aliases[] = {
    {"nginx_main_worker_processes", "nginx_worker_processes"},
    {"router_consistency", "worker_consistency"},
    {"router_update_frequency", "worker_state_update_frequency"},
    {"nginx_http_client_header_timeout", "client_timeout"},
};

void problem_add(struct config_problems *problems, const char *where, int line, const char *key,
                 const char *format, ...)
{
    char reason[512];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(reason, sizeof(reason), format, values);
    va_end(values);
    problems->at = mem_realloc(problems->at, (problems->count + 1) * sizeof(*problems->at));
    problems->at[problems->count++] = (struct config_problem){
        .where = mem_strdup(where), .line = line, .key = mem_strdup(key), .reason = mem_strdup(reason)};
}

static size_t key_number(struct str name)
{
    for (size_t i = 0; i < COUNT(aliases); i++)
        if (str_equal(name, str_of(aliases[i].old)))
            name = str_of(aliases[i].name);
    for (size_t i = 0; i < config_key_count; i++)
        if (str_equal(name, str_of(config_keys[i].name)))
            return i;
    return SIZE_MAX;
}

static void set(struct raw_setting *raw, struct str text, const char *where, int line)
{
    free(raw->text);
    *raw = (struct raw_setting){
        .text = text.len > 0 ? mem_strndup(text.at, text.len) : NULL, .where = where, .line = line};
}

/* The line without its comment; "\#" becomes "#". Writes into `line`. */
static struct str without_comment(char *line)
{
    size_t len = 0;
    for (const char *at = line; *at != '\0' && *at != '#'; at++) {
        if (at[0] == '\\' && at[1] == '#')
            at++;
        line[len++] = *at;
    }
    return str_trim((struct str){line, len});
}

/* A file on its way into raw settings. */
struct reading {
    const char *path;
    int line;
    struct raw_setting *raw;
    struct config_problems *problems, *warnings;
};

static void read_line(const struct reading *reading, char *text)
{
    struct str line = without_comment(text);
    if (line.len == 0)
        return;
    size_t equals = str_find(line, '=', 0);
    if (equals == SIZE_MAX) {
        problem_add(reading->problems, reading->path, reading->line, "",
                    "'%.*s' is not of the form name = value", (int)(line.len < 60 ? line.len : 60), line.at);
        return;
    }
    struct str name = str_trim(str_part(line, 0, equals));
    struct str value = str_trim(str_part(line, equals + 1, line.len));
    char shown[NAME_SIZE_MAX];
    (void)snprintf(shown, sizeof(shown), "%.*s", STR_ARG(name));
    size_t i = key_number(name);
    if (i == SIZE_MAX)
        problem_add(reading->warnings, reading->path, reading->line, shown, "unknown setting, ignored");
    else
        set(&reading->raw[i], value, reading->path, reading->line);
}

static void read_lines(struct reading *reading, char *text)
{
    for (char *line = text; line != NULL;) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = '\0';
        if (end != NULL && end > line && end[-1] == '\r')
            end[-1] = '\0';
        reading->line++;
        read_line(reading, line);
        line = end != NULL ? end + 1 : NULL;
    }
}

void source_read_file(const char *path, struct raw_setting *raw, struct config_problems *problems,
                      struct config_problems *warnings)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        problem_add(problems, path, 0, "", "cannot be read: %s", strerror(errno));
        return;
    }
    char *text = mem_alloc(FILE_SIZE_MAX + 1);
    size_t size = fread(text, 1, FILE_SIZE_MAX + 1, file);
    if (ferror(file) != 0)
        problem_add(problems, path, 0, "", "cannot be read: %s", strerror(errno));
    else if (size > FILE_SIZE_MAX)
        problem_add(problems, path, 0, "", "is larger than %d bytes", FILE_SIZE_MAX);
    else if (memchr(text, '\0', size) != NULL)
        problem_add(problems, path, 0, "", "contains a NUL byte: not a text file");
    else {
        struct reading reading = {.path = path, .raw = raw, .problems = problems, .warnings = warnings};
        text[size] = '\0';
        read_lines(&reading, text);
    }
    free(text);
    (void)fclose(file);
}

/* Of ASCII, whatever the locale. */
static char upper(char c)
{
    return (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
}

static const char *environment_of(const char *start, const char *name, const char *end)
{
    char variable[NAME_SIZE_MAX];
    int len = snprintf(variable, sizeof(variable), "%s%s%s", start, name, end);
    for (int i = 0; i < len && i < (int)sizeof(variable); i++)
        variable[i] = upper(variable[i]);
    return getenv(variable);
}

/* The text of the file, without the end of its last line. */
static void read_secret(const char *path, size_t key, struct raw_setting *raw,
                        struct config_problems *problems)
{
    char text[SECRET_SIZE_MAX + 1];
    FILE *file = fopen(path, "re");
    size_t size = file != NULL ? fread(text, 1, sizeof(text), file) : 0;
    while (size > 0 && size <= SECRET_SIZE_MAX && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        size--;
    if (file == NULL || ferror(file) != 0)
        problem_add(problems, "environment", 0, config_keys[key].name, "%s cannot be read: %s", path,
                    strerror(errno));
    else if (size > SECRET_SIZE_MAX || memchr(text, '\0', size) != NULL)
        problem_add(problems, "environment", 0, config_keys[key].name, "%s is no text of at most %d bytes",
                    path, SECRET_SIZE_MAX);
    else
        set(&raw[key], str_trim((struct str){text, size}), "environment", 0);
    if (file != NULL)
        (void)fclose(file); /* it was only read */
}

static void read_environment_as(const char *start, struct raw_setting *raw, struct config_problems *problems)
{
    for (size_t i = 0; i < COUNT(aliases); i++) {
        const char *text = environment_of(start, aliases[i].old, "");
        size_t number = key_number(str_of(aliases[i].name));
        if (text != NULL && number != SIZE_MAX)
            set(&raw[number], str_trim(str_of(text)), "environment", 0);
    }
    for (size_t i = 0; i < config_key_count; i++) {
        const char *text = environment_of(start, config_keys[i].name, "");
        if (text != NULL)
            set(&raw[i], str_trim(str_of(text)), "environment", 0);
        const char *path =
            config_keys[i].kind == CONFIG_SECRET ? environment_of(start, config_keys[i].name, "_FILE") : NULL;
        if (path != NULL && path[0] != '\0')
            read_secret(path, i, raw, problems);
    }
}

void source_read_environment(struct raw_setting *raw, struct config_problems *problems)
{
    read_environment_as("KONG_", raw, problems);
    read_environment_as("FRESHET_", raw, problems);
}

/* "{vault://env/db-password}" names the variable DB_PASSWORD. */
static bool is_reference(struct str text, struct str *name)
{
    static const struct str start = {"{vault://env/", sizeof("{vault://env/") - 1};
    if (!str_starts_with(text, start) || text.at[text.len - 1] != '}')
        return false;
    *name = str_part(text, start.len, text.len - 1);
    return true;
}

void source_resolve(struct raw_setting *raw, struct config_problems *problems)
{
    for (size_t i = 0; i < config_key_count; i++) {
        struct str name;
        if (raw[i].text == NULL || !is_reference(str_of(raw[i].text), &name))
            continue;
        char variable[NAME_SIZE_MAX];
        (void)snprintf(variable, sizeof(variable), "%.*s", STR_ARG(name));
        for (char *at = variable; *at != '\0'; at++) {
            if (*at == '-')
                *at = '_';
            *at = upper(*at);
        }
        const char *text = getenv(variable);
        if (text == NULL)
            problem_add(problems, raw[i].where, raw[i].line, config_keys[i].name,
                        "the reference names the environment variable %s, which is not set", variable);
        else
            set(&raw[i], str_of(text), raw[i].where, raw[i].line);
    }
}
