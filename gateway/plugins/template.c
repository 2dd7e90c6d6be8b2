/*
 * template - see template.h.
 *
 * Compiled into one flat list of terms. Each says where it stands: at the beginning of a new piece of the
 * text, of an alternative of the piece before, or joined to the term before.
 */

#include "gateway/plugins/template.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/http/encoded.h"

enum term_kind {
    TERM_TEXT,
    TERM_HEADER,
    TERM_QUERY,
    TERM_CAPTURE,        /* by name */
    TERM_CAPTURE_NUMBER, /* 0: the whole match */
    TERM_SHARED,
};

enum term_place {
    PLACE_PIECE,
    PLACE_ALTERNATIVE,
    PLACE_JOINED,
};

struct term {
    enum term_kind kind;
    enum term_place place;
    struct str name;   /* in template.text; of TERM_TEXT the text */
    struct str dashed; /* TERM_HEADER: the name with '-' for '_'; at == NULL: the same */
    size_t number;
};

struct template
{
    struct buf names; /* all texts, one behind the other */
    size_t count;
    struct term terms[];
};

struct parser {
    struct str text;
    size_t at;
    struct template *made;
    char *words; /* [128] */
};

static bool refuse(struct parser *parser, const char *words)
{
    (void)snprintf(parser->words, 128, "%s at byte %zu", words, parser->at + 1);
    return false;
}

static char peek(const struct parser *parser)
{
    return parser->at < parser->text.len ? parser->text.at[parser->at] : '\0';
}

static void skip_blanks(struct parser *parser)
{
    while (peek(parser) == ' ' || peek(parser) == '\t')
        parser->at++;
}

static bool take(struct parser *parser, const char *token)
{
    struct str wanted = str_of(token);

    skip_blanks(parser);
    if (!str_starts_with(str_part(parser->text, parser->at, parser->text.len), wanted))
        return false;
    parser->at += wanted.len;
    return true;
}

static bool is_letter(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* The identifier here; len 0: there is none. */
static struct str take_word(struct parser *parser)
{
    skip_blanks(parser);
    size_t from = parser->at;
    if (is_letter(peek(parser)))
        while (is_letter(peek(parser)) || is_digit(peek(parser)))
            parser->at++;
    return str_part(parser->text, from, parser->at);
}

/* The text of template.names has its room: nothing that was kept moves. */
static struct str keep(struct parser *parser, struct str text)
{
    struct buf *names = &parser->made->names;
    size_t from = names->len;

    buf_add_str(names, text);
    return (struct str){names->at + from, text.len};
}

static bool add_term(struct parser *parser, struct term term)
{
    if (parser->made->count == TEMPLATE_MAX_TERMS)
        return refuse(parser, "too many parts");
    parser->made->terms[parser->made->count++] = term;
    return true;
}

/* A text in quotes; \ takes the next byte as it is. */
static bool take_string(struct parser *parser, struct str *string)
{
    char quote = peek(parser);
    struct buf *names = &parser->made->names;
    size_t from = names->len;

    for (parser->at++; peek(parser) != quote; parser->at++) {
        if (peek(parser) == '\\')
            parser->at++;
        if (parser->at >= parser->text.len)
            return refuse(parser, "unfinished string");
        buf_add_byte(names, parser->text.at[parser->at]);
    }
    parser->at++;
    *string = (struct str){names->at + from, names->len - from};
    return true;
}

static bool take_number(struct parser *parser, size_t *number)
{
    for (*number = 0; is_digit(peek(parser)) && *number < 1000; parser->at++)
        *number = *number * 10 + (size_t)(peek(parser) - '0');
    return *number < 1000 || refuse(parser, "too large a number");
}

/* Behind the name of a table: ".name", "['name']" or "[1]". */
static bool take_member(struct parser *parser, struct term *term)
{
    if (take(parser, ".")) {
        struct str word = take_word(parser);
        term->name = keep(parser, word);
        return word.len > 0 || refuse(parser, "a name is missing");
    }
    if (!take(parser, "["))
        return refuse(parser, "a member is missing");
    skip_blanks(parser);
    if (term->kind == TERM_CAPTURE && is_digit(peek(parser))) {
        term->kind = TERM_CAPTURE_NUMBER;
        if (!take_number(parser, &term->number))
            return false;
    } else if (peek(parser) == '"' || peek(parser) == '\'') {
        if (!take_string(parser, &term->name))
            return false;
    } else {
        return refuse(parser, "a name is missing");
    }
    return take(parser, "]") || refuse(parser, "']' is missing");
}

static void make_dashed(struct parser *parser, struct term *term)
{
    struct buf *names = &parser->made->names;
    size_t from = names->len;

    if (str_find(term->name, '_', 0) == SIZE_MAX)
        return;
    for (size_t i = 0; i < term->name.len; i++)
        buf_add_byte(names, term->name.at[i] == '_' ? '-' : term->name.at[i]);
    term->dashed = (struct str){names->at + from, term->name.len};
}

static bool parse_term(struct parser *parser, enum term_place place)
{
    static const struct {
        struct str name;
        enum term_kind kind;
    } tables[] = {
        {{"headers", 7}, TERM_HEADER},
        {{"query_params", 12}, TERM_QUERY},
        {{"uri_captures", 12}, TERM_CAPTURE},
        {{"shared", 6}, TERM_SHARED},
    };
    struct term term = {.place = place};

    skip_blanks(parser);
    if (peek(parser) == '"' || peek(parser) == '\'')
        return take_string(parser, &term.name) && add_term(parser, term);
    struct str word = take_word(parser);
    for (size_t i = 0; i < COUNT(tables); i++) {
        if (!str_equal(word, tables[i].name))
            continue;
        term.kind = tables[i].kind;
        if (!take_member(parser, &term))
            return false;
        if (term.kind == TERM_HEADER)
            make_dashed(parser, &term);
        return add_term(parser, term);
    }
    parser->at -= word.len;
    return refuse(parser, "no part of a request, and no string");
}

/* "or", and no longer word that begins so. */
static bool take_or(struct parser *parser)
{
    size_t before;

    skip_blanks(parser);
    before = parser->at;
    if (str_equal(take_word(parser), STR("or")))
        return true;
    parser->at = before;
    return false;
}

/* Behind "$(", up to and with its ')'. ".." binds more tightly than "or". */
static bool parse_expression(struct parser *parser)
{
    enum term_place place = PLACE_PIECE;

    for (;;) {
        if (!parse_term(parser, place))
            return false;
        if (take(parser, ".."))
            place = PLACE_JOINED;
        else if (take_or(parser))
            place = PLACE_ALTERNATIVE;
        else
            break;
    }
    return take(parser, ")") || refuse(parser, "')' is missing");
}

static bool parse(struct parser *parser)
{
    while (parser->at < parser->text.len) {
        struct str rest = str_part(parser->text, parser->at, parser->text.len);
        const char *mark = memmem(rest.at, rest.len, "$(", 2);
        size_t plain = mark != NULL ? (size_t)(mark - rest.at) : rest.len;
        if (plain > 0 && !add_term(parser, (struct term){.name = keep(parser, str_part(rest, 0, plain))}))
            return false;
        parser->at += plain;
        if (mark == NULL)
            break;
        parser->at += 2;
        if (!parse_expression(parser))
            return false;
    }
    return true;
}

bool template_new(struct str text, struct template **made, char words[128])
{
    struct parser parser = {.text = text, .words = words};

    parser.made = mem_zalloc(sizeof(struct template) + TEMPLATE_MAX_TERMS * sizeof(struct term));
    (void)buf_reserve(&parser.made->names, 2 * text.len); /* a header's name is there twice at most */
    if (!parse(&parser)) {
        template_free(parser.made);
        return false;
    }
    *made = mem_realloc(parser.made, sizeof(struct template) + parser.made->count * sizeof(struct term));
    return true;
}

void template_free(struct template *template)
{
    if (template == NULL)
        return;
    buf_fini(&template->names);
    free(template);
}

/* ---- rendering ---- */

static struct str find_header(const struct headers *headers, const struct term *term)
{
    const struct header *header = headers_find(headers, term->name);

    if (header == NULL && term->dashed.at != NULL)
        header = headers_find(headers, term->dashed);
    return header != NULL ? header->value : STR_NONE;
}

static struct str find_query(const struct template_source *source, struct str name)
{
    struct argument found = encoded_find(source->chain->exchange, source->query, name);

    return found.count > 0 && found.value.at == NULL ? STR("true") : found.value;
}

static struct str find_capture(const struct chain *chain, struct str name)
{
    for (size_t i = 1; i < chain->capture_count; i++)
        if (chain->captures[i].name.len > 0 && str_equal(chain->captures[i].name, name))
            return chain->captures[i].value;
    return STR_NONE;
}

/* at == NULL: it is not there. */
static struct str value_of(const struct term *term, const struct template_source *source)
{
    const struct chain *chain = source->chain;

    switch (term->kind) {
    case TERM_TEXT:
        return term->name;
    case TERM_HEADER:
        if (str_equal_nocase(term->name, STR("host")))
            return exchange_request(chain->exchange)->host;
        return find_header(source->headers, term);
    case TERM_QUERY:
        return find_query(source, term->name);
    case TERM_CAPTURE:
        return find_capture(chain, term->name);
    case TERM_CAPTURE_NUMBER:
        return term->number < chain->capture_count ? chain->captures[term->number].value : STR_NONE;
    case TERM_SHARED:
        break;
    }
    return chain_find_shared(chain, term->name);
}

/* The terms from `first` on up to the next piece: into values[], *count grows. Returns where that is, or
 * SIZE_MAX: what has to be joined is not there. */
static size_t render_piece(const struct template *template, size_t first,
                           const struct template_source *source, struct str *values, size_t *count)
{
    size_t from = *count;
    size_t at = first;
    bool skips = false; /* an alternative before is there */

    for (; at < template->count && (at == first || template->terms[at].place != PLACE_PIECE); at++) {
        const struct term *term = &template->terms[at];
        if (term->place == PLACE_ALTERNATIVE)
            skips = *count > from;
        if (skips)
            continue;
        struct str value = value_of(term, source);
        bool is_joined = term->place == PLACE_JOINED ||
                         (at + 1 < template->count && template->terms[at + 1].place == PLACE_JOINED);
        if (value.at == NULL && is_joined)
            return SIZE_MAX;
        if (value.at != NULL)
            values[(*count)++] = value;
    }
    return at;
}

bool template_render(const struct template *template, const struct template_source *source,
                     struct str *rendered)
{
    struct str values[TEMPLATE_MAX_TERMS];
    size_t count = 0;
    size_t room = 0;

    for (size_t at = 0; at < template->count;) {
        at = render_piece(template, at, source, values, &count);
        if (at == SIZE_MAX)
            return false;
    }
    if (count <= 1) {
        *rendered = count == 1 ? values[0] : STR("");
        return true;
    }
    for (size_t i = 0; i < count; i++)
        room += values[i].len;
    char *text = exchange_alloc(source->chain->exchange, room + 1);
    room = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(text + room, values[i].at, values[i].len);
        room += values[i].len;
    }
    *rendered = (struct str){text, room};
    return true;
}
