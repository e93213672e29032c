# For the scripts that fetch from Debian, to be read with `.`; defines functions only.

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

as_root()
{
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -- "$@"
    else
        echo "${0##*/}: this needs root, or sudo" >&2
        return 1
    fi
}

# prints the base address of the Debian mirror in apt's configuration
debian_mirror()
{
    local mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian')
    # before the first apt-get update the lists that tell the origin are not there
    [ -n "$mirror" ] || mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security)
    [ -n "$mirror" ] || return 1
    head -n 1 <<<"$mirror"
}
