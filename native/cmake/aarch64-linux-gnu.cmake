# Cross-builds for arm64 Linux with Debian's compilers, and runs what is built under an emulator:
#   cmake -S . -B build/arm64/cmake -DCMAKE_TOOLCHAIN_FILE=native/cmake/aarch64-linux-gnu.cmake
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
# Libraries and headers of the machine that builds are none of the other's; programs are.
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
find_program(ASCRIBE_QEMU NAMES qemu-aarch64-static qemu-aarch64)
if(ASCRIBE_QEMU)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${ASCRIBE_QEMU} -L /usr/aarch64-linux-gnu)
endif()
