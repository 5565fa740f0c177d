// The least a worker in front of an application can do: pass the request on.
function pathAndQuery(url) {
  return url.slice(url.indexOf("/", url.indexOf("://") + 3));
}

export default {
  fetch(request, env) {
    return fetch(env.UPSTREAM + pathAndQuery(request.url), request);
  },
};
