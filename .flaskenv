FLASK_APP=webapp.cli:create_app
