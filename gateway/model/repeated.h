#pragma once

/*
 * repeated - what appears twice: elements of a set, and members of an object.
 *
 * The JSON parser keeps every member of {"a":1,"a":2}; validation would look at one and the database store
 * the other. As with the reference's parser, the last one counts.
 *
 * Threads: any; pure.
 */

#include <cjson/cJSON.h>

/* Of equal elements the first stays, in its place. */
void repeated_elements_drop(cJSON *set);
/* Of members with one name the last stays; in objects at any depth. */
void repeated_members_drop(cJSON *value);
