#!/bin/sh
# Fetches the MySQL server of Debian sid, with every library it needs, into a folder; prints the path of its mysqld.
#
#     tests/mysql/fetch_server.sh .mysql
#
# Nothing is installed, and any user may run it: apt works on a state of its own, as if the machine were empty, so that
# all libraries come along, libc included. What is printed is a script that runs the server with these and no others.

set -eu
mkdir -p "$1"
folder=$(cd "$1" && pwd)
root=$folder/root
mysqld=$folder/mysqld

if [ ! -x "$mysqld" ]; then
    apt=$folder/apt
    rm -rf "$apt" "$root"
    mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/parts" "$root"
    : > "$apt/status"

    # sid, from the mirror that this machine uses.
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/$') || {
        echo "No Debian mirror is set up here, so there is no MySQL to fetch." >&2
        exit 1
    }
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    [ ! -e $keys ] || signed="[signed-by=$keys]"
    echo "deb ${signed:-} $mirror sid main" > "$apt/sources.list"

    for step in "update" "install --download-only mysql-server-core"; do
        # shellcheck disable=SC2086 - a step is words
        apt-get -q -y $step >&2 \
            -o Dir::State="$apt" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt" \
            -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts="$apt/parts" \
            -o APT::Sandbox::User="$(id -un)" -o APT::Update::Error-Mode=any \
            -o APT::Install-Recommends=false -o Acquire::Languages=none
    done
    for package in "$apt"/archives/*.deb; do
        dpkg-deb --extract "$package" "$root"
    done
    rm -rf "$apt"

    loader=$(find "$root" -name 'ld-linux*' | head -n 1)
    libraries=$(dirname "$(find "$root" -name libc.so.6)")
    cat > "$mysqld" <<END
#!/bin/sh
exec "$loader" --library-path "$libraries" "$root/usr/sbin/mysqld" "\$@" --basedir="$root/usr"
END
    chmod +x "$mysqld"
fi
echo "$mysqld"
