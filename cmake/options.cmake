# Asserts name our own invariants and stay on in every build type.
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")

# Hardening, of all code that is linked: code at random addresses, tables of addresses that are
# read-only before main, checks of the stack, checked copies, and control-flow enforcement by
# processors that have it. tests/integration/test_hardening.py looks for each in the programs.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# What is not marked is private to the program or library that has it.
set(CMAKE_C_VISIBILITY_PRESET hidden)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)
add_compile_options(-fstack-protector-strong -fstack-clash-protection)
add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL x86_64)
    add_compile_options(-fcf-protection=full)
elseif(CMAKE_SYSTEM_PROCESSOR STREQUAL aarch64)
    add_compile_options(-mbranch-protection=standard)
endif()
if(NOT CONFREG_SANITIZE AND NOT CONFREG_FUZZ)
    # Sanitizers check more; without optimisation there is nothing to check.
    add_compile_options($<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>
        $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
endif()

add_library(confreg_options INTERFACE)
target_compile_options(confreg_options INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual
    -Wpointer-arith -Wwrite-strings -Wvla -Wformat=2 -Wundef -Wconversion -Wno-sign-conversion
    # Messages are cut on purpose; snprintf is how.
    $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation>
    # It looks into the initializers of generated headers; gcc, which judges the rest, does not.
    $<$<C_COMPILER_ID:Clang>:-Wno-cast-qual>
    -fno-common)
target_compile_definitions(confreg_options INTERFACE _GNU_SOURCE CONFREG_VERSION="${PROJECT_VERSION}")
if(CONFREG_WERROR)
    target_compile_options(confreg_options INTERFACE -Werror)
endif()
if(CONFREG_FUZZ)
    set(CONFREG_SANITIZE address,undefined)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(CONFREG_SANITIZE)
    add_compile_options(-fsanitize=${CONFREG_SANITIZE} -fno-omit-frame-pointer
        -fno-sanitize-recover=all -g)
    add_link_options(-fsanitize=${CONFREG_SANITIZE})
endif()

# A part of the program: a static library that sees its own folder's parent and what it links.
function(confreg_library name)
    cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
    add_library(${name} STATIC ${ARG_SOURCES})
    target_link_libraries(${name} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE} confreg_options)
endfunction()

# A program that runs for long and hands memory from thread to thread: jemalloc serves it better
# than the C library's allocator. Sanitizers bring an allocator of their own.
function(confreg_daemon name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE ${ARG_LINK} confreg_options)
    if(NOT CONFREG_SANITIZE)
        target_link_libraries(${name} PRIVATE PkgConfig::JEMALLOC)
    endif()
    install(TARGETS ${name})
endfunction()
