"""The learner portal: students sign in, correct sentences, and see their history.

A second application from the same blocks: `miniserve.app.create_app` with one gate in front of
`POST /correct`, three more layers of middleware, and a few server-rendered pages that need no
JavaScript. `application.build_portal` puts it together; start reading there.
"""
