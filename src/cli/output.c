/* What a command prints: tables for humans, JSON for programs.
 *
 * A table is collected before it is printed, because its widths are known only then; what can be
 * long (a search, a page of documents) is bounded by the options of its command. Names and ids are
 * never cut, since the next command wants them; text for reading is, to the width of the screen.
 * Nothing is coloured, so NO_COLOR has nothing to switch off.
 *
 * JSON is written as it comes, one element of an outer array to a line, so that it reads well, can be
 * cut with line tools, and needs no memory. Write errors are looked for once, at the end, in main.c:
 * stdio remembers them. */
#include "output.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH_UNKNOWN = 100, WIDTH_LEAST = 40, READING_LEAST = 12, GAP = 2 };

size_t screen_width(void)
{
    struct winsize size;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
        size.ws_col >= WIDTH_LEAST) {
        return size.ws_col;
    }
    return WIDTH_UNKNOWN;
}

/* ---- tables ----------------------------------------------------------------------------------- */

void table_column(table *t, const char *title, column_kind kind)
{
    if (t->columns < TABLE_COLUMNS_MAX) {
        t->titles[t->columns] = title;
        t->kinds[t->columns++] = kind;
    }
}

void table_cell(table *t, const char *shown)
{
    if (t->cell_count == t->cell_size) {
        t->cell_size = t->cell_size ? 2 * t->cell_size : 64;
        t->cells = cli_realloc(t->cells, t->cell_size, sizeof *t->cells);
    }
    t->cells[t->cell_count++] = cli_strdup(shown);
}

static void cell_from(table *t, text *shown)
{
    table_cell(t, shown->data ? shown->data : "");
    text_free(shown);
}

void table_cell_slice(table *t, rag_slice bytes)
{
    text shown = { 0 };
    if (t->kinds[t->cell_count % t->columns] == COLUMN_READING) {
        text_add_snippet(&shown, bytes);
    } else {
        text_add_shown(&shown, bytes);
    }
    cell_from(t, &shown);
}

void table_cell_count(table *t, uint64_t count)
{
    text shown = { 0 };
    text_add_count(&shown, count);
    cell_from(t, &shown);
}

void table_cell_size(table *t, uint64_t bytes)
{
    text shown = { 0 };
    text_add_size(&shown, bytes);
    cell_from(t, &shown);
}

void table_cell_seconds(table *t, double seconds)
{
    text shown = { 0 };
    text_add_seconds(&shown, seconds);
    cell_from(t, &shown);
}

/* Print one cell; `last` cells are not filled up with spaces. */
static void print_cell(column_kind kind, const char *shown, size_t width, int last)
{
    size_t len = strlen(shown);
    size_t columns = text_width(shown, len);
    size_t fill = width > columns ? width - columns : 0;
    if (kind == COLUMN_RIGHT) {
        printf("%*s%s", (int)fill, "", shown);
    } else if (kind == COLUMN_READING && columns > width) {
        printf("%.*s...", (int)text_fit(shown, len, width > 3 ? width - 3 : 0), shown);
    } else {
        printf("%s%*s", shown, last ? 0 : (int)fill, "");
    }
}

static void print_row(const table *t, const char *const *cells, const size_t *widths,
                      unsigned indent)
{
    size_t used = t->columns;
    while (used > 0 && cells[used - 1][0] == '\0') {
        used--; /* no spaces at the end of a line */
    }
    printf("%*s", used > 0 ? (int)indent : 0, "");
    for (size_t c = 0; c < used; c++) {
        print_cell(t->kinds[c], cells[c], widths[c], c + 1 == used);
        printf("%*s", c + 1 < used ? GAP : 0, "");
    }
    putchar('\n');
}

void table_print(table *t, unsigned indent)
{
    size_t widths[TABLE_COLUMNS_MAX] = { 0 };
    size_t taken = indent;
    for (size_t c = 0; c < t->columns; c++) {
        widths[c] = text_width(t->titles[c], strlen(t->titles[c]));
        for (size_t i = c; i < t->cell_count; i += t->columns) {
            size_t width = text_width(t->cells[i], strlen(t->cells[i]));
            widths[c] = width > widths[c] ? width : widths[c];
        }
        if (t->kinds[c] == COLUMN_READING) {
            size_t left =
                screen_width() > taken + READING_LEAST ? screen_width() - taken : READING_LEAST;
            widths[c] = widths[c] > left ? left : widths[c];
        }
        taken += widths[c] + GAP;
    }
    int titled = 0;
    for (size_t c = 0; c < t->columns; c++) {
        titled |= t->titles[c][0] != '\0';
    }
    if (titled) {
        print_row(t, t->titles, widths, indent);
    }
    for (size_t i = 0; i + t->columns <= t->cell_count; i += t->columns) {
        print_row(t, (const char *const *)t->cells + i, widths, indent);
    }
    table_free(t);
}

void table_free(table *t)
{
    for (size_t i = 0; i < t->cell_count; i++) {
        free(t->cells[i]);
    }
    free(t->cells);
    *t = (table){ 0 };
}

void print_reading(unsigned indent, rag_slice bytes)
{
    text shown = { 0 };
    size_t width = screen_width() - indent;
    text_add_snippet(&shown, bytes);
    text_add(&shown, "");
    printf("%*s", shown.len > 0 ? (int)indent : 0, "");
    print_cell(COLUMN_READING, shown.data, width, 1);
    putchar('\n');
    text_free(&shown);
}

/* ---- JSON ------------------------------------------------------------------------------------- */

enum { FLUSH_ABOVE = 1 << 16 };

static void begin_value(json_writer *w, const char *name)
{
    if (w->filled[w->depth]) {
        text_add_char(&w->line, ',');
    }
    if (w->depth > 0 && w->broken[w->depth]) {
        text_printf(&w->line, "\n%*s", (int)w->depth, "");
    } else if (w->filled[w->depth]) {
        text_add_char(&w->line, ' ');
    }
    w->filled[w->depth] = 1;
    if (name) {
        json_add_string(&w->line, rag_text(name));
        text_add(&w->line, ": ");
    }
    if (w->line.len > FLUSH_ABOVE) {
        fwrite(w->line.data, 1, w->line.len, stdout);
        text_clear(&w->line);
    }
}

void json_open(json_writer *w, const char *name, char bracket, int lines)
{
    begin_value(w, name);
    text_add_char(&w->line, bracket);
    w->depth++; /* at most 5 deep: the shapes are fixed by the callers */
    w->filled[w->depth] = 0;
    w->broken[w->depth] = (unsigned char)lines;
}

void json_close(json_writer *w, char bracket)
{
    if (w->broken[w->depth] && w->filled[w->depth]) {
        text_printf(&w->line, "\n%*s", (int)w->depth - 1, "");
    }
    w->depth--;
    text_add_char(&w->line, bracket);
}

void json_text(json_writer *w, const char *name, rag_slice bytes)
{
    begin_value(w, name);
    json_add_string(&w->line, bytes);
}

void json_raw(json_writer *w, const char *name, rag_slice json)
{
    begin_value(w, name);
    if (json.len > 0) {
        text_add_bytes(&w->line, json.data, json.len);
    } else {
        text_add(&w->line, "null");
    }
}

void json_count(json_writer *w, const char *name, uint64_t count)
{
    begin_value(w, name);
    text_printf(&w->line, "%llu", (unsigned long long)count);
}

void json_double(json_writer *w, const char *name, double number)
{
    char digits[40];
    for (int precision = 6; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, number);
        if (strtod(digits, NULL) == number) {
            break;
        }
    }
    begin_value(w, name);
    text_add(&w->line, digits);
}

void json_bool(json_writer *w, const char *name, int flag)
{
    begin_value(w, name);
    text_add(&w->line, flag ? "true" : "false");
}

void json_floats(json_writer *w, const char *name, const float *vector, size_t n)
{
    begin_value(w, name);
    text_add_char(&w->line, '[');
    for (size_t i = 0; i < n; i++) {
        text_add(&w->line, i ? ", " : "");
        json_add_float(&w->line, vector[i]);
    }
    text_add_char(&w->line, ']');
}

void json_splice(json_writer *w, rag_slice object, const char *const *except)
{
    json_walk walk;
    json_member m;
    if (!json_walk_start(&walk, object) || !walk.is_object) {
        return;
    }
    while (json_walk_next(&walk, &m) == 1) {
        int skip = 0;
        for (const char *const *name = except; name && *name; name++) {
            skip |= slice_is(m.name, *name);
        }
        if (skip) {
            continue;
        }
        begin_value(w, NULL);
        text_printf(&w->line, "\"%.*s\": ", (int)m.name.len, (const char *)m.name.data);
        text_add_bytes(&w->line, m.value.data, m.value.len);
    }
}

void json_end_of_list(json_writer *w, uint64_t total)
{
    json_close(w, ']');
    json_count(w, "total", total);
    json_close(w, '}');
    json_end(w);
}

void json_end(json_writer *w)
{
    text_add_char(&w->line, '\n');
    fwrite(w->line.data, 1, w->line.len, stdout);
    text_free(&w->line);
    *w = (json_writer){ 0 };
}
