# Writes ${joined}: one source that includes every source Verilator wrote to ${directory}; and ${prefix}_joined.d, the
# dependency file with that source as its target.
file(GLOB sources ${directory}/${prefix}*.cpp)
list(REMOVE_ITEM sources ${joined})
list(SORT sources)
set(text "")
foreach(source IN LISTS sources)
  cmake_path(GET source FILENAME name)
  string(APPEND text "#include \"${name}\"\n")
endforeach()
file(WRITE ${joined} "${text}")
file(READ ${directory}/${prefix}__ver.d dependencies)
string(REGEX REPLACE "^[^:]*:" "${joined}:" dependencies "${dependencies}")
file(WRITE ${directory}/${prefix}_joined.d "${dependencies}")
