/* A module without the symbol that a module must have. */
extern int nosymbol_is_here(void);

__attribute__((visibility("default"))) int nosymbol_is_here(void)
{
    return 1;
}
