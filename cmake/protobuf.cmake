# C code of protobuf messages, and their descriptors as bytes for server reflection.
find_program(PROTOC protoc REQUIRED)
find_program(PROTOC_C protoc-c REQUIRED)
find_path(PROTOBUF_STANDARD_PROTOS google/protobuf/any.proto PATHS /usr/include REQUIRED)

# proto_library(NAME FILES a.proto … LINKS other_proto_libraries… ROOT folder)
# FILES are relative to ROOT (proto/ unless given), or well-known types of protobuf itself.
function(proto_library name)
    cmake_parse_arguments(ARG "" "ROOT" "FILES;LINKS" ${ARGN})
    if(NOT ARG_ROOT)
        set(ARG_ROOT ${CMAKE_SOURCE_DIR}/proto)
    endif()
    set(out ${CMAKE_BINARY_DIR}/generated/${name})
    set(sources)
    set(headers) # outputs, too: who includes one is built again when it changes
    set(inputs)
    foreach(file ${ARG_FILES})
        string(REGEX REPLACE "\\.proto$" ".pb-c.c" source ${file})
        string(REGEX REPLACE "\\.proto$" ".pb-c.h" header ${file})
        list(APPEND sources ${out}/${source})
        list(APPEND headers ${out}/${header})
        if(EXISTS ${ARG_ROOT}/${file})
            list(APPEND inputs ${ARG_ROOT}/${file})
        endif()
    endforeach()
    file(MAKE_DIRECTORY ${out})
    add_custom_command(OUTPUT ${sources} ${headers}
        COMMAND ${PROTOC_C} -I${ARG_ROOT} -I${PROTOBUF_STANDARD_PROTOS}
            --c_out=${out} ${ARG_FILES}
        DEPENDS ${inputs} VERBATIM)
    add_library(${name} STATIC ${sources})
    target_include_directories(${name} SYSTEM PUBLIC ${out})
    target_link_libraries(${name} PUBLIC PkgConfig::PROTOBUF_C ${ARG_LINKS})
endfunction()

# proto_descriptors(NAME FILES a.proto … ROOT folder): a library with one symbol,
#     extern const unsigned char NAME[]; extern const size_t NAME_size;
# a serialised FileDescriptorSet of the files and all that they import.
function(proto_descriptors name)
    cmake_parse_arguments(ARG "" "ROOT" "FILES" ${ARGN})
    if(NOT ARG_ROOT)
        set(ARG_ROOT ${CMAKE_SOURCE_DIR}/proto)
    endif()
    set(set_file ${CMAKE_BINARY_DIR}/generated/${name}.desc)
    set(source ${CMAKE_BINARY_DIR}/generated/${name}.c)
    set(inputs)
    foreach(file ${ARG_FILES})
        list(APPEND inputs ${ARG_ROOT}/${file})
    endforeach()
    add_custom_command(OUTPUT ${source}
        COMMAND ${PROTOC} -I${ARG_ROOT} -I${PROTOBUF_STANDARD_PROTOS}
            --include_imports --descriptor_set_out=${set_file} ${ARG_FILES}
        COMMAND ${CMAKE_COMMAND} -DINPUT=${set_file} -DOUTPUT=${source} -DNAME=${name}
            -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
        DEPENDS ${inputs} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake VERBATIM)
    add_library(${name} STATIC ${source})
endfunction()
