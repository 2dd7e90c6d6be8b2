/*
 * Branches are arrays by depth that share their beginnings. In the correct protocol a position is depth + 1;
 * the rule that makes it so is SQL (bus/outbox.c: one append at a time, the number drawn under the lock), so
 * MUTANT_NAIVE_SEQ, which draws it from a sequence before the lock, is here; likewise
 * MUTANT_SHARED_POSITION, which gives those who commit together one position.
 */

#include "tests/sim/database.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "tests/sim/fiber.h"

#if defined(MUTANT_NAIVE_SEQ) || defined(MUTANT_SHARED_POSITION)
#define POSITION_IS_NOT_DEPTH
#endif

static struct branch *present(struct database *database)
{
    return &database->branches[database->present];
}

static struct commit *new_commit(struct database *database, const struct commit *parent)
{
    struct commit *commit = mem_alloc(sizeof(*commit));

    if (database->commit_count == database->commit_room) {
        database->commit_room = database->commit_room > 0 ? database->commit_room * 2 : 256;
        database->commits =
            mem_realloc(database->commits, database->commit_room * sizeof(database->commits[0]));
    }
    *commit = parent != NULL ? *parent : (struct commit){0};
    commit->index = database->commit_count;
    commit->at_us = fibers_now_us();
    /* Random above, the index below: tags are found again, and two histories never share one. */
    commit->tag =
        (int64_t)((dice_next(database->dice) & UINT64_C(0xffffffffff000000)) | database->commit_count);
    commit->removed = false;
    commit->changed = 0;
    database->commits[database->commit_count++] = commit;
    return commit;
}

static void append(struct database *database, struct commit *commit, uint64_t position)
{
    struct branch *branch = present(database);
    const struct commit *tip = branch->length > 0 ? branch->line[branch->length - 1] : NULL;

    if (branch->length == branch->room) {
        branch->room = branch->room > 0 ? branch->room * 2 : 256;
        branch->line = mem_realloc(branch->line, branch->room * sizeof(branch->line[0]));
    }
    commit->branch = database->present;
    commit->depth = branch->length;
    commit->position = position;
    commit->newest = tip == NULL || tip->newest->position < position ? commit : tip->newest;
    branch->line[branch->length++] = commit;
}

static void write_row(struct database *database, struct commit *commit, unsigned row)
{
    bool exists = commit->rows[row] > 0;

    commit->changed |= 1U << row;
    commit->rows[row] = (int32_t)commit->index + 1;
    if (exists && dice_below(database->dice, 3) == 0)
        commit->rows[row] = -commit->rows[row];
}

void database_init(struct database *database, struct dice *dice, unsigned replica_count)
{
    struct commit *first;

    *database = (struct database){.dice = dice, .old = -1, .replica_count = replica_count};
    database->branch_count = 1;
    memset(database->branches[0].history, 0xab, sizeof(database->branches[0].history));
    first = new_commit(database, NULL);
    first->kind = BUS_EVENT_BARRIER;
    append(database, first, 1);
    for (unsigned row = 0; row < ROWS; row++)
        first->rows[row] = dice_below(dice, 3) > 0 ? 1 : 0;
}

void database_fini(struct database *database)
{
    for (uint32_t i = 0; i < database->commit_count; i++)
        free(database->commits[i]);
    for (uint32_t i = 0; i < database->branch_count; i++)
        free(database->branches[i].line);
    free(database->commits);
}

const struct commit *database_tip(const struct database *database)
{
    return database_primary(database).at;
}

struct snapshot database_primary(const struct database *database)
{
    const struct branch *branch = &database->branches[database->present];

    return (struct snapshot){branch, branch->line[branch->length - 1]};
}

struct snapshot database_old(const struct database *database)
{
    const struct branch *branch = &database->branches[database->old];

    return (struct snapshot){branch, branch->line[branch->length - 1]};
}

struct snapshot database_replica(const struct database *database, unsigned replica)
{
    const struct branch *branch = &database->branches[database->present];

    return (struct snapshot){branch, branch->line[database->replicas[replica].depth]};
}

const struct commit *database_find(const struct database *database, int64_t tag)
{
    uint32_t index = (uint32_t)tag & 0xffffff;

    return index < database->commit_count && database->commits[index]->tag == tag ? database->commits[index]
                                                                                  : NULL;
}

bool database_is_within(const struct database *database, const struct commit *a, const struct commit *b)
{
    return a->depth <= b->depth && database->branches[b->branch].line[a->depth] == a;
}

bool database_is_present(const struct database *database, const struct commit *commit)
{
    return database_is_within(database, commit, database_tip(database));
}

static bool is_of_type(unsigned row, uint8_t type)
{
    return row < KEYS ? row % KEY_TYPES == type : KEY_TYPES + (row - KEYS) % ROUTE_TYPES == type;
}

/* Clients ask for few keys more than for others, and so these are written more. */
static unsigned any_row(const struct database *database)
{
    return dice_below(database->dice, 2) == 0 ? dice_below(database->dice, HOT_KEYS)
                                              : dice_below(database->dice, ROWS);
}

static const struct commit *write(struct database *database, const struct change *change, uint64_t position)
{
    struct commit *commit = new_commit(database, database_tip(database));
    bool wide = change->kind == BUS_EVENT_ENTITY || change->kind == BUS_EVENT_EVERYTHING;
    unsigned few = 1 + dice_below(database->dice, 3);

    commit->kind = change->kind;
    commit->type = change->type;
    commit->acknowledge = change->acknowledge;
    for (unsigned i = 0; change->kind == BUS_EVENT_ROW && i < few; i++)
        write_row(database, commit, i == 0 && change->row >= 0 ? (unsigned)change->row : any_row(database));
    for (unsigned row = 0; wide && row < ROWS; row++) {
        if ((change->kind == BUS_EVENT_EVERYTHING || is_of_type(row, change->type)) &&
            dice_below(database->dice, 2) == 0)
            write_row(database, commit, row);
    }
    append(database, commit, position);
    return commit;
}

static uint64_t next_position(const struct database *database)
{
    uint64_t position = database_tip(database)->newest->position;

#ifdef MUTANT_NAIVE_SEQ
    for (unsigned i = 0; i < OPEN_APPENDS; i++) {
        if (database->appends[i].open && database->appends[i].position > position)
            position = database->appends[i].position;
    }
#endif
    return position + 1;
}

const struct commit *database_commit(struct database *database, const struct change *change)
{
#ifndef MUTANT_NAIVE_SEQ
    if (database->appends[0].open)
        return NULL;
#endif
    return write(database, change, next_position(database));
}

const struct commit *database_commit_too(struct database *database, const struct change *change)
{
#ifdef MUTANT_SHARED_POSITION
    return write(database, change, database_tip(database)->newest->position);
#else
    return write(database, change, next_position(database));
#endif
}

void database_stall(struct database *database)
{
    unsigned i = 0;

#ifdef MUTANT_NAIVE_SEQ
    while (i < OPEN_APPENDS - 1 && database->appends[i].open)
        i++;
#endif
    if (database->appends[i].open)
        return;
    database->appends[i].position = next_position(database);
    database->appends[i].began_us = fibers_now_us();
    database->appends[i].open = true;
}

const struct commit *database_unstall(struct database *database, const struct change *change,
                                      int64_t longest_us)
{
    for (unsigned i = 0; i < OPEN_APPENDS; i++) {
        bool late = fibers_now_us() - database->appends[i].began_us > longest_us;

        if (!database->appends[i].open || (!late && change == NULL))
            continue;
        database->appends[i].open = false; /* an abort gives the number back */
        return late ? NULL : write(database, change, database->appends[i].position);
    }
    return NULL;
}

void database_replay(struct database *database, unsigned replica, uint32_t commits)
{
    uint32_t last = present(database)->length - 1;
    uint32_t depth = database->replicas[replica].depth;

    database->replicas[replica].depth = last - depth > commits ? depth + commits : last;
}

void database_replay_until(struct database *database, int64_t at_us)
{
    const struct branch *branch = present(database);

    for (unsigned i = 0; i < database->replica_count; i++) {
        uint32_t *depth = &database->replicas[i].depth;

        while (*depth + 1 < branch->length && branch->line[*depth + 1]->at_us <= at_us)
            (*depth)++;
    }
}

/* Another branch that shares the first `length` commits. */
static void start_branch(struct database *database, uint32_t length, bool fork)
{
    const struct branch *from = present(database);
    struct branch *branch = &database->branches[database->branch_count];
    uint64_t last = from->line[length - 1]->position;

    *branch = (struct branch){.length = length, .room = length + 64};
    branch->line = mem_alloc(branch->room * sizeof(branch->line[0]));
    memcpy(branch->line, from->line, length * sizeof(branch->line[0]));
    memcpy(branch->history, from->history, sizeof(branch->history));
    if (fork)
        branch->history[15] = (uint8_t)database->branch_count;
    branch->floor = from->floor < last ? from->floor : last - 1;
    branch->deleted = from->deleted < branch->floor ? from->deleted : branch->floor;
    database->present = database->branch_count++;
    for (unsigned i = 0; i < REPLICAS; i++) {
        if (database->replicas[i].depth > length - 1)
            database->replicas[i].depth = length - 1;
    }
    memset(database->appends, 0, sizeof(database->appends));
}

void database_fail_over(struct database *database, unsigned replica, bool keep_old)
{
    if (database->branch_count == BRANCHES)
        return;
    database->old = keep_old ? (int)database->present : -1;
    start_branch(database, database->replicas[replica].depth + 1, /* fork= */ false);
}

void database_restore(struct database *database, uint32_t back, bool fork)
{
    uint32_t length = present(database)->length;

    if (database->branch_count == BRANCHES)
        return;
    database->old = -1;
    start_branch(database, back < length ? length - back : 1, fork);
}

void database_prune(struct database *database, uint64_t floor, bool delete_rows)
{
    struct branch *branch = present(database);
    uint64_t head = database_tip(database)->newest->position;

    if (floor >= head)
        floor = head - 1; /* the newest commit stays */
    if (floor > branch->floor)
        branch->floor = floor;
    if (delete_rows)
        branch->deleted = branch->floor;
}

void database_remove_events(struct database *database, uint64_t position)
{
    struct branch *branch = present(database);

    if (position > branch->deleted && position < database_tip(database)->position)
        branch->line[position - 1]->removed = true;
}

static bool has_events(const struct branch *branch, const struct commit *commit)
{
    return commit->position > branch->deleted && !commit->removed;
}

/* From which depth on commits above `applied` are. */
static uint32_t first_above(const struct snapshot *snapshot, uint64_t applied)
{
#ifdef POSITION_IS_NOT_DEPTH
    (void)snapshot;
    (void)applied;
    return 0;
#else
    return applied <= snapshot->at->depth ? (uint32_t)applied : snapshot->at->depth + 1;
#endif
}

void database_read_head(const struct snapshot *snapshot, uint64_t applied, struct reader_head *head)
{
    const struct branch *branch = snapshot->branch;

    *head = (struct reader_head){
        .floor = branch->floor,
        .has_log = true,
        .head = snapshot->at->newest->position,
        .head_tag = snapshot->at->newest->tag,
    };
    memcpy(head->history, branch->history, sizeof(head->history));
    for (uint32_t depth = first_above(snapshot, applied > 0 ? applied - 1 : 0); depth <= snapshot->at->depth;
         depth++) {
        const struct commit *commit = branch->line[depth];

        if (commit->position == applied && has_events(branch, commit)) {
            head->has_tag_at_applied = true;
            head->tag_at_applied = commit->tag;
        }
#ifndef POSITION_IS_NOT_DEPTH
        break;
#endif
    }
}

size_t database_read_log(const struct snapshot *snapshot, uint64_t applied, const struct commit **commits,
                         size_t room)
{
    size_t count = 0;

    for (uint32_t depth = first_above(snapshot, applied); depth <= snapshot->at->depth && count < room;
         depth++) {
        const struct commit *commit = snapshot->branch->line[depth];
        size_t at = count;

        if (commit->position <= applied || !has_events(snapshot->branch, commit))
            continue;
        for (; at > 0 && commits[at - 1]->position > commit->position; at--)
            commits[at] = commits[at - 1];
        commits[at] = commit;
        count++;
    }
    return count;
}
