"""Errors that shells and tools print in the user's language, in English again."""
# ruff: noqa: RUF001 (letters of other scripts are what this is about)

from __future__ import annotations

# By the C library's translations, the longest first where one begins with another.
ENGLISH = {
    "write error": (
        "Schreibfehler",
        "erreur d'écriture",
        "error de escritura",
        "erro de escrita",
        "errore di scrittura",
        "ошибка записи",
        "写错误",
        "書き込みエラー",
    ),
    "invalid argument": (
        "Das Argument ist ungültig",
        "Argument invalide",
        "Argumento inválido",
        "Argomento non valido",
        "Недопустимый аргумент",
        "无效的参数",
        "無效的引數",
        "無効な引数です",
    ),
    "permission denied": (
        "Keine Berechtigung",
        "Permission non accordée",
        "Permiso denegado",
        "Permissão negada",
        "Permesso negato",
        "Отказано в доступе",
        "权限不够",
        "拒絕不符權限的操作",
        "許可がありません",
    ),
    "operation not permitted": (
        "Die Operation ist nicht erlaubt",
        "Vorgang nicht zulässig",
        "Opération non permise",
        "Operación no permitida",
        "Operação não permitida",
        "Operazione non permessa",
        "Операция не позволена",
        "不允许的操作",
        "此項操作並不被允許",
        "許可されていない操作です",
    ),
    "no such file or directory": (
        "Datei oder Verzeichnis nicht gefunden",
        "Aucun fichier ou dossier de ce type",
        "No existe el archivo o el directorio",
        "No existe el fichero o el directorio",
        "Arquivo ou diretório inexistente",
        "Ficheiro ou pasta inexistente",
        "File o directory non esistente",
        "Нет такого файла или каталога",
        "没有那个文件或目录",
        "沒有此一檔案或目錄",
        "そのようなファイルやディレクトリはありません",
    ),
    "device or resource busy": (
        "Das Gerät oder die Ressource ist belegt",
        "Périphérique ou ressource occupé",
        "Dispositivo o recurso ocupado",
        "Dispositivo ou recurso está ocupado",
        "Dispositivo o risorsa occupata",
        "Устройство или ресурс занято",
        "设备或资源忙",
        "裝置或資源忙碌中",
        "デバイスもしくはリソースがビジー状態です",
    ),
    "no space left on device": (
        "Auf dem Gerät ist kein Speicherplatz mehr verfügbar",
        "Aucun espace disponible sur le périphérique",
        "No queda espacio en el dispositivo",
        "Não há espaço disponível no dispositivo",
        "Spazio esaurito sul device",
        "На устройстве не осталось свободного места",
        "设备上没有空间",
        "裝置上已無多餘空間",
        "デバイスに空き領域がありません",
    ),
    "read-only file system": (
        "Das Dateisystem ist nur lesbar",
        "Système de fichiers accessible en lecture seulement",
        "Sistema de archivos de solo lectura",
        "Sistema de ficheros de sólo lectura",
        "Sistema de arquivos somente para leitura",
        "File system in sola lettura",
        "Файловая система доступна только для чтения",
        "只读文件系统",
        "唯讀檔案系統",
        "読み込み専用ファイルシステムです",
    ),
    "cannot allocate memory": (
        "Nicht genügend Hauptspeicher verfügbar",
        "Impossible d'allouer de la mémoire",
        "No se pudo asignar memoria",
        "Não foi possível alocar memória",
        "Impossibile allocare memoria",
        "Не удалось выделить память",
        "无法分配内存",
        "無法配置記憶體",
        "メモリを確保できません",
    ),
    "resource temporarily unavailable": (
        "Die Ressource ist zur Zeit nicht verfügbar",
        "Ressource temporairement non disponible",
        "Recurso no disponible temporalmente",
        "Recurso temporariamente indisponível",
        "Risorsa temporaneamente non disponibile",
        "Ресурс временно недоступен",
        "资源暂时不可用",
        "資源暫時無法取得",
        "リソースが一時的に利用できません",
    ),
    "operation not supported": (
        "Die Operation wird nicht unterstützt",
        "Opération non supportée",
        "Operación no soportada",
        "Operação não suportada",
        "Operazione non supportata",
        "Операция не поддерживается",
        "不支持的操作",
        "サポートされていない操作です",
    ),
    "no such device": (
        "Kein passendes Gerät gefunden",
        "Aucun périphérique de ce type",
        "No existe el dispositivo",
        "Dispositivo inexistente",
        "Device non esistente",
        "Нет такого устройства",
        "没有那个设备",
        "そのようなデバイスはありません",
    ),
}
# A French blank before a colon, and the colon of Chinese and Japanese.
COLONS = (("\u00a0: ", ": "), (" : ", ": "), ("\uff1a", ": "))


def in_english(text: str) -> str:
    """Return the text with the errors of the C library, and the shells' "write error", in English."""
    said = [(phrase, english) for english, phrases in ENGLISH.items() for phrase in phrases if phrase in text]
    for phrase, english in said:
        text = text.replace(phrase, english)
    for colon, plain in COLONS if said else ():
        text = text.replace(colon, plain)
    return text
