/*
 * trie - a radix tree over bytes. A node has a label (the bytes since its parent), children by their first
 * byte, and the candidates whose prefix ends here, in order of precedence. All of a node is one block of
 * memory, the first bytes of its children included: a step down looks at no child but the right one.
 *
 * Functions that change a node take over the caller's reference to it and give one to what it has become:
 * the node itself when nobody else holds it, otherwise a copy, and the node stays as it is for the others.
 */

#include "gateway/router/trie.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

struct trie {
    uint32_t refs;
    uint32_t here_count;
    uint32_t label_length;
    uint16_t child_count; /* at most one per byte */
    /* struct trie *children[child_count]; struct candidate *here[here_count];
     * unsigned char firsts[child_count]; char label[label_length] */
    void *parts[];
};

static const size_t nowhere = SIZE_MAX;

/* Written only where nobody else holds the node; const ends here so that reading needs no second set. */
static struct trie **children(const struct trie *node)
{
    return (struct trie **)(uintptr_t)node->parts; /* NOLINT(performance-no-int-to-ptr) */
}

static const struct candidate **here(const struct trie *node)
{
    uintptr_t at = (uintptr_t)(children(node) + node->child_count);
    return (const struct candidate **)at; /* NOLINT(performance-no-int-to-ptr) */
}

static unsigned char *firsts(const struct trie *node)
{
    return (unsigned char *)(here(node) + node->here_count);
}

static char *label(const struct trie *node)
{
    return (char *)(firsts(node) + node->child_count);
}

static struct str label_of(const struct trie *node)
{
    return (struct str){label(node), node->label_length};
}

static struct trie *node_new(size_t child_count, size_t here_count, struct str text)
{
    struct trie *node =
        mem_alloc(sizeof(*node) + (child_count + here_count) * sizeof(void *) + child_count + text.len);
    node->refs = 1;
    node->child_count = (uint16_t)child_count;
    node->here_count = (uint32_t)here_count;
    node->label_length = (uint32_t)text.len;
    memcpy(label(node), text.at, text.len);
    return node;
}

struct trie *trie_ref(struct trie *trie)
{
    if (trie != NULL)
        trie->refs++;
    return trie;
}

void trie_unref(struct trie *trie)
{
    if (trie == NULL || --trie->refs > 0)
        return;
    for (size_t i = 0; i < trie->child_count; i++)
        trie_unref(children(trie)[i]);
    for (size_t i = 0; i < trie->here_count; i++)
        rule_unref(here(trie)[i]->rule);
    free(trie);
}

/* ---- copies of another shape ---- */

/* Its parts have been copied: each is held once more, unless nobody else held the node. */
static void leave(struct trie *node)
{
    if (node->refs == 1) {
        free(node);
        return;
    }
    for (size_t i = 0; i < node->child_count; i++)
        (void)trie_ref(children(node)[i]);
    for (size_t i = 0; i < node->here_count; i++)
        (void)rule_ref(here(node)[i]->rule);
    node->refs--;
}

/* Where a part of the old list stands in one with a gap at `gap` or without the part at `without`. */
static size_t moved(size_t i, size_t gap, size_t without)
{
    if (gap != nowhere)
        return i >= gap ? i + 1 : i;
    return without != nowhere && i > without ? i - 1 : i;
}

/* One place in a list of a node. */
struct place {
    size_t gap;     /* room is made before this one; nowhere: none */
    size_t without; /* this one goes; its reference becomes the caller's. nowhere: none */
};
static const struct place as_it_is = {SIZE_MAX, SIZE_MAX};

static size_t size_after(size_t count, struct place place)
{
    return count + (place.gap != nowhere ? 1U : 0U) - (place.without != nowhere ? 1U : 0U);
}

static struct trie *reshaped(struct trie *node, struct place child, struct place candidate, struct str text)
{
    struct trie *copy =
        node_new(size_after(node->child_count, child), size_after(node->here_count, candidate), text);
    for (size_t i = 0; i < node->child_count; i++) {
        if (i == child.without)
            continue;
        size_t to = moved(i, child.gap, child.without);
        children(copy)[to] = children(node)[i];
        firsts(copy)[to] = firsts(node)[i];
    }
    for (size_t i = 0; i < node->here_count; i++)
        if (i != candidate.without)
            here(copy)[moved(i, candidate.gap, candidate.without)] = here(node)[i];
    leave(node);
    return copy;
}

static struct trie *owned(struct trie *node)
{
    return node->refs == 1 ? node : reshaped(node, as_it_is, as_it_is, label_of(node));
}

static void set_child(struct trie *node, size_t position, struct trie *child)
{
    children(node)[position] = child;
    firsts(node)[position] = (unsigned char)label(child)[0];
}

/* ---- changing ---- */

/* Where a child beginning with `byte` is or would be. */
static size_t child_position(const struct trie *node, unsigned char byte, bool *found)
{
    const unsigned char *bytes = firsts(node);
    size_t low = 0;
    size_t high = node->child_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (bytes[middle] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < node->child_count && bytes[low] == byte;
    return low;
}

static struct trie *with_here(struct trie *node, const struct candidate *candidate)
{
    struct place place = {0, nowhere};
    while (place.gap < node->here_count && candidate_precedes(here(node)[place.gap], candidate))
        place.gap++;
    struct trie *copy = reshaped(node, as_it_is, place, label_of(node));
    here(copy)[place.gap] = candidate;
    (void)rule_ref(candidate->rule);
    return copy;
}

static struct trie *leaf_new(const struct candidate *candidate, struct str rest)
{
    struct trie *leaf = node_new(0, 1, rest);
    here(leaf)[0] = candidate;
    (void)rule_ref(candidate->rule);
    return leaf;
}

static size_t common_length(struct str a, struct str b)
{
    size_t most = a.len < b.len ? a.len : b.len;
    size_t len = 0;
    while (len < most && a.at[len] == b.at[len])
        len++;
    return len;
}

/* A node of the first `shared` bytes above one of the rest. */
static struct trie *split(struct trie *node, size_t shared)
{
    struct str text = label_of(node);
    struct trie *upper = node_new(1, 0, str_part(text, 0, shared));
    set_child(upper, 0, reshaped(node, as_it_is, as_it_is, str_part(text, shared, text.len)));
    return upper;
}

static struct trie *insert(struct trie *node, const struct candidate *candidate, struct str rest)
{
    size_t shared = common_length(label_of(node), rest);
    if (shared < node->label_length)
        node = split(node, shared);
    rest = str_part(rest, shared, rest.len);
    if (rest.len == 0)
        return with_here(node, candidate);
    bool found;
    size_t position = child_position(node, (unsigned char)rest.at[0], &found);
    if (found) {
        node = owned(node);
        children(node)[position] = insert(children(node)[position], candidate, rest);
        return node;
    }
    struct trie *copy = reshaped(node, (struct place){position, nowhere}, as_it_is, label_of(node));
    set_child(copy, position, leaf_new(candidate, rest));
    return copy;
}

/* A node without candidates and with one child is that child with a longer label; one with nothing is
 * nothing. */
static struct trie *tidy(struct trie *node)
{
    if (node->here_count > 0 || node->child_count > 1)
        return node;
    struct trie *merged = NULL;
    if (node->child_count == 1) {
        struct trie *child = children(node)[0];
        struct buf text = {0};
        buf_add_str(&text, label_of(node));
        buf_add_str(&text, label_of(child));
        merged = reshaped(child, as_it_is, as_it_is, buf_str(&text));
        buf_fini(&text);
    }
    free(node); /* its only part has been taken over */
    return merged;
}

/* The candidate is known to be in it. NULL: nothing is left. */
static struct trie *erase(struct trie *node, const struct candidate *candidate, struct str rest)
{
    rest = str_part(rest, node->label_length, rest.len);
    if (rest.len == 0) {
        struct place place = {nowhere, 0};
        while (here(node)[place.without] != candidate)
            place.without++;
        node = reshaped(node, as_it_is, place, label_of(node));
        rule_unref(candidate->rule);
        return tidy(node);
    }
    bool found;
    size_t position = child_position(node, (unsigned char)rest.at[0], &found);
    node = owned(node);
    struct trie *child = erase(children(node)[position], candidate, rest);
    if (child != NULL)
        set_child(node, position, child);
    else
        node = reshaped(node, (struct place){nowhere, position}, as_it_is, label_of(node));
    return tidy(node);
}

static bool contains(const struct trie *node, const struct candidate *candidate)
{
    struct str rest = candidate->prefix;
    while (node != NULL && str_starts_with(rest, label_of(node))) {
        rest = str_part(rest, node->label_length, rest.len);
        bool found = rest.len == 0;
        if (found) {
            for (size_t i = 0; i < node->here_count; i++)
                if (here(node)[i] == candidate)
                    return true;
            return false;
        }
        size_t position = child_position(node, (unsigned char)rest.at[0], &found);
        node = found ? children(node)[position] : NULL;
    }
    return false;
}

void trie_put(struct trie **trie, const struct candidate *candidate)
{
    *trie =
        *trie != NULL ? insert(*trie, candidate, candidate->prefix) : leaf_new(candidate, candidate->prefix);
}

bool trie_take_out(struct trie **trie, const struct candidate *candidate)
{
    if (!contains(*trie, candidate))
        return false;
    *trie = erase(*trie, candidate, candidate->prefix);
    return true;
}

/* ---- matching ---- */

static void match_here(const struct trie *node, const struct rule_query *query, const struct candidate **best,
                       struct router_match *match)
{
    for (size_t i = 0; i < node->here_count; i++) {
        const struct candidate *candidate = here(node)[i];
        if (*best != NULL && !candidate_precedes(candidate, *best))
            return; /* the rest is in order behind it */
        if (candidate_matches(candidate, query, match)) {
            *best = candidate;
            return;
        }
    }
}

void trie_match(const struct trie *trie, const struct rule_query *query, const struct candidate **best,
                struct router_match *match)
{
    struct str rest = query->asked->path;
    while (trie != NULL) {
        if (!str_starts_with(rest, label_of(trie)))
            return;
        rest = str_part(rest, trie->label_length, rest.len);
        match_here(trie, query, best, match);
        if (rest.len == 0)
            return;
        bool found;
        size_t position = child_position(trie, (unsigned char)rest.at[0], &found);
        trie = found ? children(trie)[position] : NULL;
    }
}
