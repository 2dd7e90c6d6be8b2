#pragma once

/*
 * plan - what stays the same during a run.
 */

struct dice;
struct plan;

/* Everything but the weights of steps, which belong to the table in world.c. */
void plan_draw(struct plan *plan, struct dice *dice);
