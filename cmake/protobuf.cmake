# C code of protobuf messages, and their descriptors: as bytes for server reflection, as a file for
# users.
find_program(PROTOC protoc REQUIRED)
find_program(PROTOC_C protoc-c REQUIRED)
find_path(PROTOBUF_STANDARD_PROTOS google/protobuf/any.proto PATHS /usr/include REQUIRED)

# The files of google.rpc and of gRPC's own services, as far as the build needs them. Users generate
# code from those of their own packages.
set(RPC_PROTOS ${CMAKE_SOURCE_DIR}/rpc/proto)

# In the functions below, FILES are relative to ROOT (proto/ unless given) or to a folder of IMPORTS,
# or are well-known types of protobuf itself.

# Sets in the caller's scope: ARG_FILES and the like; folders, as -I options; inputs, the files that
# are in this tree.
macro(parse_protos)
    cmake_parse_arguments(ARG "" "ROOT" "FILES;IMPORTS;LINKS" ${ARGN})
    if(NOT ARG_ROOT)
        set(ARG_ROOT ${CMAKE_SOURCE_DIR}/proto)
    endif()
    set(folders)
    set(inputs)
    foreach(folder ${ARG_ROOT} ${ARG_IMPORTS})
        list(APPEND folders -I${folder})
        file(GLOB_RECURSE found CONFIGURE_DEPENDS ${folder}/*.proto)
        list(APPEND inputs ${found})
    endforeach()
    list(APPEND folders -I${PROTOBUF_STANDARD_PROTOS})
endmacro()

# proto_library(NAME FILES a.proto … LINKS other_proto_libraries… ROOT folder IMPORTS folder…)
function(proto_library name)
    parse_protos(${ARGN})
    set(out ${CMAKE_BINARY_DIR}/generated/${name})
    set(sources)
    set(headers) # outputs, too: who includes one is built again when it changes
    foreach(file ${ARG_FILES})
        string(REGEX REPLACE "\\.proto$" ".pb-c.c" source ${file})
        string(REGEX REPLACE "\\.proto$" ".pb-c.h" header ${file})
        list(APPEND sources ${out}/${source})
        list(APPEND headers ${out}/${header})
    endforeach()
    file(MAKE_DIRECTORY ${out})
    add_custom_command(OUTPUT ${sources} ${headers}
        COMMAND ${PROTOC_C} ${folders} --c_out=${out} ${ARG_FILES}
        DEPENDS ${inputs} VERBATIM)
    add_library(${name} STATIC ${sources})
    target_include_directories(${name} SYSTEM PUBLIC ${out})
    target_link_libraries(${name} PUBLIC PkgConfig::PROTOBUF_C ${ARG_LINKS})
endfunction()

# proto_descriptors(NAME FILES a.proto … ROOT folder IMPORTS folder…): a library with one symbol,
#     extern const unsigned char NAME[]; extern const size_t NAME_size;
# a serialised FileDescriptorSet of the files and all that they import.
function(proto_descriptors name)
    parse_protos(${ARGN})
    set(set_file ${CMAKE_BINARY_DIR}/generated/${name}.desc)
    set(source ${CMAKE_BINARY_DIR}/generated/${name}.c)
    add_custom_command(OUTPUT ${source}
        COMMAND ${PROTOC} ${folders} --include_imports --descriptor_set_out=${set_file}
            ${ARG_FILES}
        COMMAND ${CMAKE_COMMAND} -DINPUT=${set_file} -DOUTPUT=${source} -DNAME=${name}
            -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
        DEPENDS ${inputs} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake VERBATIM)
    add_library(${name} STATIC ${source})
endfunction()

# proto_set(NAME FILES a.proto … ROOT folder IMPORTS folder…): the same set as the file NAME in the
# build folder, with comments.
function(proto_set name)
    parse_protos(${ARGN})
    set(set_file ${CMAKE_BINARY_DIR}/${name})
    add_custom_command(OUTPUT ${set_file}
        COMMAND ${PROTOC} ${folders} --include_imports --include_source_info
            --descriptor_set_out=${set_file} ${ARG_FILES}
        DEPENDS ${inputs} VERBATIM)
    add_custom_target(${name}_file ALL DEPENDS ${set_file})
endfunction()
