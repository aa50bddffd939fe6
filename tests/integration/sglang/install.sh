#!/usr/bin/env bash
# Makes SGLang's own virtual environment for the integration tests, in a cache folder that is
# kept between runs. SGLang pins versions that clash with Domicile's own, so it never shares an
# environment with it.
#
#   tests/integration/sglang/install.sh
#
#   DOMICILE_SGLANG_ENV     where the environment goes
#                           (default: ${XDG_CACHE_HOME:-~/.cache}/domicile/sglang-0.5.23)
#   DOMICILE_SGLANG_PYTHON  the Python 3.11 to make it with (default: python3.11)
#
# Where pip finds torch is pip's configuration: a build for the processor alone ("2.13.0+cpu")
# satisfies the pin, and one with CUDA works as well but takes several gigabytes more.
#
# A finished environment carries a stamp, written last, with a hash of the requirement files:
# with the right stamp there is nothing to do, and without it everything is done again.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
environment=${DOMICILE_SGLANG_ENV:-${XDG_CACHE_HOME:-$HOME/.cache}/domicile/sglang-0.5.23}
python=${DOMICILE_SGLANG_PYTHON:-python3.11}
requirements=$here/requirements.txt
without_dependencies=$here/requirements-no-deps.txt
stamp=$environment/domicile-stamp
pins=$(cat -- "$requirements" "$without_dependencies" | sha256sum | cut -d ' ' -f 1)

say() { printf 'sglang: %s\n' "$*"; }

finished() { [[ -x $environment/bin/python && -r $stamp && $(<"$stamp") == "$pins" ]]; }

if finished; then
    say "already installed in $environment"
    exit 0
fi

# --clear below would empty a folder that is not ours if the variable named one by mistake.
if [[ -d $environment && ! -e $environment/pyvenv.cfg && -n $(ls -A -- "$environment") ]]; then
    say "$environment is neither empty nor a virtual environment; not touching it" >&2
    exit 2
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
    say "Python 3.11 is needed and '$python' is not that; set DOMICILE_SGLANG_PYTHON" >&2
    exit 2
fi

# Two runs at once would write over each other; the second waits, and then finds the work done.
mkdir -p -- "$(dirname -- "$environment")"
exec 9>"$environment.lock"
if ! flock --nonblock 9; then
    say "another install into $environment is under way; waiting for it"
    flock 9
fi
if finished; then
    say "already installed in $environment"
    exit 0
fi

install() { "$environment/bin/python" -m pip install -qq --disable-pip-version-check "$@"; }

say "making the virtual environment $environment (about 2.3 GB, a minute or two)"
"$python" -m venv --clear -- "$environment"
say "installing torch"
install "$(grep '^torch==' -- "$requirements")"
say "installing what the server needs"
install --requirement "$requirements"
say "installing sglang itself, without the packages that only a GPU needs"
install --no-deps --requirement "$without_dependencies"

"$environment/bin/python" -W ignore -c 'import sglang; print("sglang: version", sglang.__version__)'
printf '%s\n' "$pins" >"$stamp.unfinished"
mv -- "$stamp.unfinished" "$stamp"
say "installed in ${SECONDS} s"
