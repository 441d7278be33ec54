"""A Django application in one file: forms with CSRF protection, uploads, sessions, redirects, streams.

Rule: run by gunicorn as `django_app:application`; it is ordinary code that knows nothing of a proxy.
"""

from __future__ import annotations

import hashlib

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

settings.configure(
    ALLOWED_HOSTS=["*"],
    DEBUG=False,
    FILE_UPLOAD_MAX_MEMORY_SIZE=65536,  # so that the upload goes to a file, as large ones do
    INSTALLED_APPS=["django.contrib.sessions", "django.contrib.messages"],
    MIDDLEWARE=[
        "django.middleware.common.CommonMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only-for-tests",
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)
django.setup()


def index(request: HttpRequest) -> HttpResponse:
    """Greet whoever is logged in, and hand out the token for forms."""
    return HttpResponse(f"hello {request.session.get('name', 'stranger')} {get_token(request)}")


def login(request: HttpRequest) -> HttpResponse:
    """Take a form that is protected against other sites, remember the name, send the browser back."""
    request.session["name"] = request.POST["name"]
    response = HttpResponseRedirect(request.build_absolute_uri("/"))
    response.set_cookie("theme", "dark")
    response.set_cookie("lang", "de", httponly=True)
    return response


@csrf_exempt
def upload(request: HttpRequest) -> HttpResponse:
    """Take a multipart form with a file, and say what arrived."""
    file = request.FILES["file"]
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    return JsonResponse(
        {"filename": file.name, "size": file.size, "sha256": digest.hexdigest(), "note": request.POST["note"]}
    )


@csrf_exempt
def raw(request: HttpRequest) -> HttpResponse:
    """Take a body as it is."""
    content = request.read()
    return JsonResponse({"size": len(content), "sha256": hashlib.sha256(content).hexdigest()})


def stream(request: HttpRequest) -> HttpResponse:
    """Answer in pieces, of a length that nobody announces."""
    return StreamingHttpResponse(f"line {number}\n" for number in range(1000))


urlpatterns = [
    path("", index),
    path("login", login),
    path("upload", upload),
    path("raw", raw),
    path("stream", stream),
]
application = get_wsgi_application()
