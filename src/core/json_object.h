/* One JSON object, parsed once and looked at member by member. What is handed out lives as long as
 * the object. Cutting and adding work on the text that came in: what is not touched keeps its
 * bytes. */
#ifndef CORE_JSON_OBJECT_H
#define CORE_JSON_OBJECT_H

#include <ragstore/backend.h>

#include "arena.h"
#include "error.h"

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_object {
    void *doc;
    rag_slice text;
    size_t count; /* members */
};

struct json_member {
    rag_slice name; /* decoded */
    enum json_type type;
    rag_slice text;      /* strings: decoded; numbers: as spelled; others: empty */
    int truth;           /* of JSON_BOOL */
    const void *element; /* for json_nested_truth() */
};

struct json_cursor {
    size_t left;
    void *at;
};

/* Parse and check as json_check_object(). On success the caller ends with json_object_free(). */
rag_status json_object_parse(rag_slice value, const char *what, rag_slice name,
                             struct json_object *out, rag_error *err);
void json_object_free(struct json_object *o);

struct json_cursor json_members(const struct json_object *o);
int json_next(struct json_cursor *c, struct json_member *m); /* 0: no more */

/* 1 when `m` is an object whose member `name` is the literal true. */
int json_nested_truth(const struct json_member *m, const char *name);
/* 1 when `m` is an object that has a member `name`: into *out. */
int json_nested(const struct json_member *m, const char *name, struct json_member *out);

/* The elements of an array (none when `array` is not one), in order; their names are empty. */
struct json_cursor json_elements(const struct json_member *array);
int json_next_element(struct json_cursor *c, struct json_member *m); /* 0: no more */

/* The text without the members i for which drop[i] is set. */
rag_status json_object_without(const struct json_object *o, const unsigned char *drop,
                               struct arena *a, rag_slice *out, rag_error *err);

/* `object`, the text of a valid JSON object, with `member` (as in "\"name\":[]") as its last one. */
rag_status json_add_member(rag_slice object, const char *member, struct arena *a, rag_slice *out,
                           rag_error *err);

/* As host->json_members of backend.h. */
rag_status json_visit_members(rag_slice object, rag_json_visit visit, void *user, rag_error *err);

/* The spelling of a JSON number as int64: 0 when it is not an integer or does not fit. */
int json_integer(rag_slice number, int64_t *out);
/* 1 when the number is finite as a double. */
int json_finite(rag_slice number);

#endif
