#pragma once

/*
 * plan - what stays the same during a run.
 */

struct dice;
struct plan;

/* Everything but the weights of steps, which belong to the table in world.c. */
void plan_draw(struct plan *plan, struct dice *dice);

/* The faults that are no steps: without one of them, by its place in the list. The list ends with NULL. */
extern const char *const plan_faults[];
void plan_spare(struct plan *plan, int number);
