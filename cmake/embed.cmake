# Writes the bytes of INPUT as the C array NAME to OUTPUT.
file(READ ${INPUT} hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUTPUT} "#include <stddef.h>\n\nextern const unsigned char ${NAME}[];\n"
    "extern const size_t ${NAME}_size;\nconst unsigned char ${NAME}[] = {\n${bytes}};\n"
    "const size_t ${NAME}_size = sizeof ${NAME};\n")
