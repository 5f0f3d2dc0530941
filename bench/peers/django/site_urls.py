"""One view that says who is signed in, and allauth's own."""

from django.http import HttpRequest, JsonResponse
from django.urls import include, path


def me(request: HttpRequest) -> JsonResponse:
    user = request.user
    if not user.is_authenticated:
        return JsonResponse({"message": "Not signed in"}, status=401)
    return JsonResponse({"id": user.pk, "email": user.email, "name": user.first_name})


urlpatterns = [path("me", me), path("_allauth/", include("allauth.headless.urls"))]
