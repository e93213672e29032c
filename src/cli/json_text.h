/* Reading JSON text in place, and writing JSON strings. */
#ifndef CLI_JSON_TEXT_H
#define CLI_JSON_TEXT_H

#include "text.h"

/* A walk over the members of an object or the elements of an array. */
typedef struct json_walk {
    const char *at, *end;
    int is_object;
} json_walk;

typedef struct json_member {
    rag_slice name;  /* between the quotes, escapes as they stand; empty in an array */
    rag_slice value; /* JSON text */
} json_member;

/* Start on `json`. 0 when it is neither an object nor an array. */
int json_walk_start(json_walk *w, rag_slice json);

/* 1: *m is the next one; 0: the end; -1: this is not JSON. */
int json_walk_next(json_walk *w, json_member *m);

/* The value of a member of an object, as JSON text. 0 when there is none. */
int json_field(rag_slice object, const char *name, rag_slice *value);

int json_is_string(rag_slice value);

/* Add a string without quotes and escapes; anything else as the text that it is. */
void json_add_plain(text *out, rag_slice value);

/* Field `name` of an object as plain bytes; "" when there is none. The caller frees *out. */
void json_plain_field(text *out, rag_slice object, const char *name);

/* Field `name` as a number, `otherwise` when there is none. */
double json_number_field(rag_slice object, const char *name, double otherwise);

/* 1 when field `name` of an object is true. */
int json_is_true(rag_slice object, const char *name);

/* Number of elements or members; 0 when it is neither object nor array. */
size_t json_length(rag_slice value);

/* Add bytes as a JSON string with its quotes; what is not UTF-8 becomes U+FFFD. */
void json_add_string(text *out, rag_slice bytes);

/* Add a float with as few digits as bring the same float back. */
void json_add_float(text *out, float value);

/* Add JSON text with line breaks, two columns a level, behind `indent` columns. */
void json_add_pretty(text *out, rag_slice json, unsigned indent);

#endif
