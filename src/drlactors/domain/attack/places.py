"""What a path is good for, by its name alone: documents, secrets, ways to be started again, programs of a purpose."""

import re
from functools import lru_cache

_HOME = r"(?:^|/)(?:home|users)/[^/]+/(?!\.|app/|appdata/|ntuser)(?:(?!/\.).)*"
_BINARY = r"(?:odt|ods|odp|docx?|docm|xlsx?|xlsm|pptx?|pdf|jpe?g|png|gif|bmp|tiff?|mp3|mp4|avi|mov|wav|psd|kdbx|pst)"
_DOCUMENT = rf"\.(?:{_BINARY}|txt|md|rtf|csv|html?|xml|svg|sql|db|sqlite|mdb|eml|dwg)"
_RUNS = r"\.(?:exe|dll|scr|com|pif|cpl|sys|bat|cmd|ps1|vbs|vbe|js|jse|wsf|hta|msi|jar|sh|elf)"
_TEMPORARY = (
    r"(?:/tmp/|/dev/shm/|/var/tmp/|/temp/|/appdata/|/programdata/|/users/public/|/\.cache/|/\.config/|/\.local/)"
)
#: Programs that Windows keeps there itself, and what PowerShell writes to see whether it may run scripts.
_NOT_INSTALLED = (
    r"(?!microsoft/(?:windows defender|edgeupdate|onedrive|edge|teams|windowsapps)/|local/microsoft/|"
    r"(?:[^/]+/)*__psscriptpolicytest)"
)

#: Programs of Windows that tell much by being run.
TOOLS = (
    *("mshta", "regsvr32", "rundll32", "installutil", "regasm", "regsvcs", "cmstp", "msbuild", "certutil", "bitsadmin"),
    *("wuauclt", "odbcconf", "pcalua", "forfiles", "wmic", "whoami", "systeminfo", "tasklist", "ipconfig", "nltest"),
)
#: What a path is good for. Paths are searched in lower case with ``/`` for ``\\``, registry keys like files.
PLACES: dict[str, re.Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        "user file": _HOME + r"\.[a-z0-9_-]{1,16}$",
        "document": _HOME + _DOCUMENT + "$",
        "binary document": _HOME + rf"\.{_BINARY}$",
        "home": r"(?:^|/)(?:home|users|root)/(?:[^/]+/)*[^/]+",
        "source": _HOME + r"\.(?:py|c|cc|cpp|h|sh|js|pl|rb|php|java|go|rs)$",
        "note": (
            r"/[^/]*(?:read.?me.{0,12}(?:decrypt|restor|recover|unlock)|how.?to.?(?:decrypt|restore|recover)|"
            r"(?:decrypt|restore|recover|unlock).{0,12}(?:files|instruction|info|help)|help.?(?:decrypt|restor|recover)|"
            r"your.?files|files.?(?:encrypted|locked)|ransom|!+.*read.?me|read_me)[^/]*\.(?:txt|html?|hta|rtf|url|png|bmp)$"
        ),
        "recovery": r"/(?:vssadmin|wbadmin|bcdedit|vssvc|vss_admin)\.exe$",
        "shell start-up": (
            r"/\.(?:bashrc|bash_profile|bash_login|profile|zshrc|zprofile|zshenv)$|/etc/profile(?:\.d/[^/]+)?$"
        ),
        "desktop start-up": r"/autostart/[^/]+\.desktop$",
        "systemd unit": r"/systemd/(?:user|system)/[^/]+\.(?:service|timer|socket|path)$",
        "cron table": r"/(?:crontab|cron\.d/[^/]+|crontabs/[^/]+|cron\.(?:hourly|daily|weekly|monthly)/[^/]+)$",
        "authorized keys": r"/\.ssh/authorized_keys2?$",
        "own programs": r"/\.local/bin/[^/]+$",
        "run key": (
            r"/(?:currentversion|wow6432node/microsoft/windows/currentversion)/(?:policies/explorer/)?run(?:once|onceex|"
            r"services)?(?:/|$)|/currentversion/winlogon/(?:shell|userinit|notify)|/currentversion/windows/(?:load|run|appinit_dlls)$"
        ),
        "start menu": r"/start menu/programs/startup/[^/]+$",
        "task": r"/windows/(?:system32/|syswow64/)?tasks/[^/]+",
        "scheduler": r"/(?:schtasks|at)\.exe$",
        "image options": r"/image file execution options/[^/]+(?:/(?:debugger|globalflag))?$",
        "elevation key": (
            r"/(?:ms-settings|mscfile|exefile|folder)/shell/open/command|/shell/open/command/delegateexecute$"
        ),
        "elevation program": r"/(?:fodhelper|eventvwr|computerdefaults|sdclt|cmstp|wsreset|slui)\.exe$",
        "security settings": (
            r"/windows defender/(?:exclusions/|real-time protection/disable|disableanti|features/tamperprotection)|"
            r"/policies/microsoft/windows defender/|/microsoft/amsi/providers|/control/safeboot/|"
            r"/firewallpolicy/[^/]+/enablefirewall$"
        ),
        "event log": r"/winevt/logs/[^/]+$|/wevtutil\.exe$",
        "system log": (
            r"/var/log/(?:[^/]+/)?(?:auth|secure|syslog|messages|wtmp|btmp|lastlog|audit)[^/]*$|/logs/auth\.log$|"
            r"/run/utmp$"
        ),
        "log": r"/(?:logs?|var/log)/(?:[^/]+/)?[^/]+\.log$",
        "history": r"/\.(?:bash|zsh|python|mysql|node_repl)_history$|/consolehost_history\.txt$",
        "keys": r"/\.ssh/id_[^/.]+$|/\.gnupg/(?:private-keys-v1\.d/|secring|pubring)|\.(?:ppk|pfx|p12)$",
        "credentials": (
            r"/\.(?:aws/credentials|netrc|git-credentials|pgpass|docker/config\.json|kube/config)$|/filezilla/|/\.config/.*settings\.ini$|"
            r"/(?:unattend|sysprep)\.xml$|/microsoft/(?:credentials|vault)/"
        ),
        "browser": (
            r"/(?:logins\.json|key[34]\.db|signons\.sqlite|cookies\.sqlite|login data|web data|cookies)$|"
            r"/\.mozilla/firefox/[^/]+/|/chrome/user data/default/"
        ),
        "wallet": r"/(?:wallet\.dat|electrum|exodus|ethereum/keystore|bitcoin)(?:/|$)",
        "shadow": r"^/etc/g?shadow-?$",
        "elevator": r"/pam\.d/|/(?:su|sudo|doas|pkexec|runuser)$|/login\.defs$",
        "security accounts": (
            r"/system32/config/(?:sam|security|system)$|^(?:hklm|hkey_local_machine|/registry/machine)/(?:sam|security)/"
        ),
        "lsass": r"/lsass\.exe$",
        "lsass dump": r"/lsass[^/]*\.dmp$",
        "process": r"^/proc/\d+/(?:cmdline|comm|environ|maps|exe)$",
        "process table": r"^/proc/\d+/(?:stat|status)$",
        "process memory": r"^/proc/(?:\d+|self)/mem$",
        "mounts": r"^/proc/(?:self/)?(?:mounts|status|mountinfo)$",
        "dropped": _TEMPORARY + _NOT_INSTALLED + rf"(?:[^/]+/)*[^/]+{_RUNS}$",
        "runtime": (
            r"/(?:node|nodejs|java|javac|jvm|valgrind|luajit|mono|dotnet|php|qemu|wine|firefox|chrom)[^/]*(?:/|$)|"
            r"^/proc/self/cgroup$"
        ),
        "miner": r"(?:xmrig|minerd|cgminer|cpuminer|ethminer|nicehash|cryptonight|randomx|stratum|monero)",
        "service program": r"/services/[^/]+/(?:imagepath|parameters/servicedll)$",
        "powershell": r"/(?:powershell|pwsh|powershell_ise)\.exe$|/system\.management\.automation",
        "vbscript": r"/vbscript\.dll$|\.vb[se]$",
        "javascript": r"/jscript9?\.dll$|\.jse$|/temp/[^/]+\.js$",
    }.items()
} | {f"{tool}.exe": re.compile(rf"/{tool}\.exe$") for tool in TOOLS}
#: Endings that keep or pack a file rather than take it away.
KEPT = frozenset({
    *("gz", "xz", "zip", "bz2", "zst", "lz4", "z", "7z", "rar", "bak", "orig", "tmp", "swp", "part", "old", "new"),
    *("asc", "gpg", "sig", "md5", "sha1", "sha256", "pyc", "o", "d", "lnk", "log", "dat"),
})  # fmt: skip


# The same few thousand paths come again and again.
@lru_cache(maxsize=1 << 14)
def placed(raw: str) -> tuple[str, tuple[str, ...]]:
    """The path as it is compared (lower case, ``/`` for ``\\``), and all its places."""
    path = raw.lower().replace("\\", "/")
    return path, tuple(name for name, pattern in PLACES.items() if pattern.search(path))
